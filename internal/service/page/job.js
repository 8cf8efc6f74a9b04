import * as api from './api.js';
import { el, svg, field, words, verdicts } from './dom.js';

const actions = { explore: 'new noise', rewrite: 'rewritten prompt', reflect: 'correction' };

// watch shows a job and follows it. It returns a function that stops that.
export async function watch(id, show, connection) {
  const job = await api.job(id);
  const view = new View(job);
  show(view.node);
  return api.follow(id, (e) => view.receive(e), (ok) => connection(ok ? '' : 'Connection lost. Trying again …'));
}

class View {
  constructor(job) {
    this.job = job;
    this.candidates = [];
    this.tiles = el('ul', { class: 'grid', 'aria-label': 'Candidates' });
    this.state = el('span', { class: 'state' });
    this.status = el('p', { class: 'note', role: 'status' });
    this.bar = el('progress', { max: this.total(), value: 0, 'aria-label': 'Images' });
    this.chips = el('ul', { class: 'chips', 'aria-label': 'Requirements' });
    this.error = el('p', { class: 'error', role: 'alert' });
    this.stop = el('button', { onclick: () => this.cancel() }, 'Cancel');
    this.tools = el('div', { class: 'row' });
    this.compare = el('div');
    this.node = el('div', {},
      el('h1', {}, job.prompt),
      job.reflection ? el('p', { class: 'note' }, 'Corrects an image: ' + job.reflection) : null,
      el('div', { class: 'row' }, this.state, this.stop, el('a', { class: 'button', href: `#/create/${job.id}` }, 'Again with changes')),
      this.status, this.bar, this.chips, this.error, this.tools,
      el('h2', {}, 'Candidates'), this.tiles, this.compare,
      el('h2', {}, 'The same as code'), ...code(job));
    this.update(job);
  }

  total() { return Number.parseInt(this.job.settings?.budget ?? '8', 10) || 8; }

  receive(e) {
    if (e.job) this.update(e.job);
    if (e.prompt) this.requirements(e.prompt.requirements ?? [], []);
    if (e.candidate) this.add(e.candidate);
  }

  update(job) {
    this.job = job;
    this.state.textContent = job.state;
    const live = job.state === 'queued' || job.state === 'running';
    this.stop.hidden = !live;
    this.bar.hidden = !live;
    this.error.textContent = job.error ?? '';
    if (job.state === 'queued') this.status.textContent = 'Waiting for its turn.';
    if (live) return;
    const o = job.outcome;
    this.status.textContent = o && o.best >= 0
      ? `${o.images} ${o.images === 1 ? 'image' : 'images'}, ${((Date.parse(job.ended) - Date.parse(job.started)) / 1000).toFixed(1)} s; ` + (o.stopped === 'right' ? 'everything asked for was found.' : 'the budget is spent; this is the best.')
      : job.state === 'cancelled' ? 'Cancelled.' : '';
    this.mark(o?.best ?? -1);
    if (job.state === 'done') {
      this.tools.replaceChildren(el('a', { class: 'button', href: `/api/v1/jobs/${job.id}/archive` }, 'Download the run (zip)'),
        el('button', { onclick: () => this.delete() }, 'Delete'));
      this.showCompare(o.best);
    }
  }

  add(c) {
    if (this.candidates[c.id]) return; // sent again after a reconnect
    this.candidates[c.id] = c;
    const done = this.candidates.filter(Boolean).length;
    this.bar.value = done;
    const took = (Date.now() - Date.parse(this.job.started)) / 1000;
    this.status.textContent = `${done} of at most ${this.total()} images` + (done > 1 ? `, about ${Math.max(1, Math.round(took / done * (this.total() - done)))} s left` : '');
    this.tiles.append(this.tile(c));
    this.mark(this.best());
  }

  best() {
    let best = -1;
    for (const c of this.candidates) if (c && !c.error && (best < 0 || c.score.value > this.candidates[best].score.value)) best = c.id;
    return best;
  }

  tile(c) {
    const text = el('div', { class: 'text' },
      el('p', {}, el('strong', {}, `${c.id} · ${actions[c.action] ?? c.action}`), c.parent >= 0 ? ` of ${c.parent}` : ''),
      c.error ? null : el('p', {}, `score ${c.score.value.toFixed(3)}`),
      c.request.reflection ? el('p', { class: 'clamp', title: c.request.reflection }, c.request.reflection) : null);
    const picture = c.error ? el('div', { class: 'blank' }, c.error)
      : el('img', { src: api.image(this.job.id, c.id, 320), alt: `Candidate ${c.id}`, loading: 'lazy' });
    const node = el('li', { class: 'tile', id: `candidate-${c.id}` }, c.error ? picture : el('button', { class: 'open', 'aria-label': `Open candidate ${c.id}`, onclick: () => this.open(c) }, picture), text);
    return node;
  }

  mark(best) {
    for (const tile of this.tiles.children) tile.classList.toggle('best', tile.id === `candidate-${best}`);
    const c = this.candidates[best];
    if (c) this.requirements(null, c.score.requirements ?? []);
  }

  requirements(asked, findings) {
    if (findings.length) this.chips.replaceChildren(...findings.map(chip));
    else if (asked) this.chips.replaceChildren(...asked.map((r) => el('li', { class: 'chip' }, words(r))));
  }

  showCompare(best) {
    if (best <= 0 || !this.candidates[0] || this.candidates[0].error) return;
    const over = el('img', { class: 'over', src: api.image(this.job.id, best), alt: `Best candidate, ${best}` });
    const slide = el('input', { type: 'range', min: 0, max: 100, value: 50, 'aria-label': 'Show the first candidate or the best' });
    const cut = () => { over.style.clipPath = `inset(0 0 0 ${100 - slide.value}%)`; };
    slide.addEventListener('input', cut);
    cut();
    this.compare.replaceChildren(el('h2', {}, 'First and best'), el('div', { class: 'two' },
      el('div', {}, el('div', { class: 'stage' }, el('img', { src: api.image(this.job.id, 0), alt: 'First candidate' }), over), slide),
      el('p', { class: 'note' }, 'Left: the first candidate, what the model generates without a search. Right: the best one. Move the slider to compare.')));
  }

  open(c) {
    const error = el('p', { class: 'error', role: 'alert' });
    const reflection = el('textarea', { placeholder: 'There are three clocks. Remove one.', required: true });
    const boxes = svg('svg', { viewBox: '0 0 1 1', preserveAspectRatio: 'none' });
    const light = (list) => boxes.replaceChildren(...(list ?? []).map((o) => svg('rect', { x: o.box[0], y: o.box[1], width: o.box[2] - o.box[0], height: o.box[3] - o.box[1] })));
    const missing = (c.score.requirements ?? []).filter((f) => f.verdict === 'not_met');
    const dialog = el('dialog', { 'aria-label': `Candidate ${c.id}` },
      el('div', { class: 'two' },
        el('div', { class: 'stage' }, el('img', { src: api.image(this.job.id, c.id), alt: `Candidate ${c.id}` }), boxes),
        el('div', {},
          el('h2', {}, `Candidate ${c.id}`),
          el('p', { class: 'note' }, `${actions[c.action] ?? c.action}${c.parent >= 0 ? ` of candidate ${c.parent}` : ''}, seed ${c.request.seed}${c.reason ? '; ' + c.reason : ''}`),
          el('ul', { class: 'chips' }, (c.score.requirements ?? []).map((f) => {
            const node = chip(f);
            node.tabIndex = 0;
            for (const name of ['mouseenter', 'focus']) node.addEventListener(name, () => light(f.evidence));
            for (const name of ['mouseleave', 'blur']) node.addEventListener(name, () => light([]));
            return node;
          })),
          c.request.prompt !== this.job.prompt ? el('p', { class: 'note' }, 'Prompt: ' + c.request.prompt) : null,
          c.request.reflection ? el('p', { class: 'note' }, 'Reflection: ' + c.request.reflection) : null,
          (c.warnings ?? []).map((w) => el('p', { class: 'error' }, w)),
          el('form', {
            onsubmit: async (e) => {
              e.preventDefault();
              try {
                const search = { ...this.job.settings, strategy: 'noise', budget: '2' };
                delete search.seed;
                const job = await api.submit({ prompt: this.job.prompt, model: this.job.model, search, correct: { job: this.job.id, candidate: c.id, reflection: reflection.value } });
                dialog.close();
                location.hash = `#/job/${job.id}`;
              } catch (failure) { error.textContent = failure.message; }
            },
          }, field('Correct this: what is wrong, and what should change?', reflection),
            missing.length ? el('p', { class: 'row' }, missing.map((f) => el('button', { type: 'button', onclick: () => { reflection.value = (reflection.value + ` Fix: ${words(f.requirement)}.`).trim(); } }, words(f.requirement)))) : null,
            error,
            el('p', { class: 'row' }, el('button', { class: 'primary' }, 'Correct'), el('button', { type: 'button', onclick: () => dialog.close() }, 'Close'))))));
    dialog.addEventListener('close', () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  }

  async cancel() {
    this.stop.disabled = true;
    try { await api.cancel(this.job.id); } catch (failure) { this.error.textContent = failure.message; this.stop.disabled = false; }
  }

  async delete() {
    if (!confirm('Delete this search and its images?')) return;
    try { await api.remove(this.job.id); location.hash = '#/history'; } catch (failure) { this.error.textContent = failure.message; }
  }
}

function chip(f) {
  return el('li', { class: `chip ${f.verdict}` }, `${words(f.requirement)} · ${verdicts[f.verdict] ?? f.verdict}`);
}

// code is the job as calls of the API: curl, Python and Go.
function code(job) {
  const body = JSON.stringify({ prompt: job.prompt, model: job.model || undefined, search: job.settings });
  const quoted = JSON.stringify(job.prompt);
  const python = `from openai import OpenAI

client = OpenAI(base_url="${location.origin}/v1", api_key="KEY")
reply = client.images.generate(prompt=${quoted}, model=${JSON.stringify(job.model || "")}, extra_body={"reflectionflow": json.loads(${JSON.stringify(JSON.stringify(job.settings ?? {}))})})`;
  const go = `reply, err := http.Post("${location.origin}/api/v1/jobs", "application/json", strings.NewReader(${JSON.stringify(body)}))`;
  return [
    ['curl', `curl ${location.origin}/api/v1/jobs -H 'Content-Type: application/json' -d '${body.replaceAll("'", "'\\''")}'`],
    ['Python', 'import json\n' + python], ['Go', go],
  ].map(([name, text]) => el('details', { open: name === 'curl' }, el('summary', {}, name), el('pre', { tabindex: 0 }, text)));
}
