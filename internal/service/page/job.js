import * as api from './api.js';
import { el, words, chip, star, counted, lasting, confirmed } from './dom.js';
import { code } from './code.js';
import { Tree } from './tree.js';
import { compare } from './compare.js';
import { candidate } from './correct.js';

const maxFollowed = 3; // corrections that are followed at once: a browser has few connections
const stops = { right: 'everything that was asked for was found', judged: 'everything that can be judged was found', failed: 'too many images failed in a row' };

// watch shows a job and follows it, and the corrections of its candidates. It returns a
// function that stops that.
export async function watch(id, show, connection, fail) {
  const [job, health] = await Promise.all([api.job(id), api.health()]);
  const view = new View(job, health);
  show(view.node);
  view.stops.push(api.follow(id, (e) => view.receive(e), (ok) => connection(ok ? '' : 'Connection lost. Trying again …'), fail));
  view.children();
  return () => view.stops.forEach((stop) => stop());
}

class View {
  constructor(job, health) {
    this.job = job;
    this.health = health;
    this.stops = [];
    this.followed = 0;
    this.candidates = [];
    this.corrections = new Map(); // jobs that correct candidates, and their candidates
    this.tree = new Tree((job, c) => this.open(job, c));
    this.tree.own = job.id;
    this.state = el('span', { class: 'state' });
    this.status = el('p', { class: 'note', role: 'status' });
    this.bar = el('progress', { max: this.total(), value: 0, 'aria-label': 'Images' });
    this.chips = el('ul', { class: 'chips', 'aria-label': 'Requirements' });
    this.error = el('p', { class: 'error', role: 'alert' });
    this.stop = el('button', { onclick: () => this.cancel() }, 'Cancel');
    this.tools = el('span', { class: 'row' });
    this.hero = el('div', { class: 'hero' });
    this.compare = el('div');
    this.none = el('p', { class: 'empty', hidden: true }, 'No image was finished.');
    const origin = job.extra?.corrects;
    if (job.image) this.tree.root(job, origin ? el('p', {}, el('a', { href: `#/job/${origin.job}` }, `candidate ${origin.candidate} of another search`)) : null);
    this.node = el('div', {},
      el('h1', job.prompt.length > 160 ? { class: 'long', tabindex: 0 } : {}, job.prompt),
      job.reflection ? el('p', { class: 'note' }, 'Corrects an image: ' + job.reflection) : null,
      ...(job.extra?.notes ?? []).map((note) => el('p', { class: 'note' }, note)),
      el('div', { class: 'summary' }, this.hero, el('div', {},
        el('div', { class: 'row' }, this.state, star(job.favourite, job.prompt, (yes) => api.favour(job.id, yes)), this.stop, el('a', { class: 'button', href: `#/create/${job.id}` }, 'Again with changes'), this.tools),
        this.status, this.bar, this.chips, this.error)),
      el('h2', {}, 'Candidates'), this.tree.list, el('p', { class: 'note keys' }, 'Arrow keys move between candidates, Enter opens one.'), this.none, this.compare,
      el('details', { class: 'card' }, el('summary', {}, 'The same search as code'), ...code(job, health)));
    this.update(job);
  }

  total() { return Number.parseInt(this.job.settings?.budget ?? '8', 10) || 8; }

  receive(e) {
    if (e.job) this.update(e.job);
    if (e.prompt) this.requirements(e.prompt.requirements ?? [], []);
    if (e.kind === 'progress') this.tree.progress(this.job.id, e);
    if (e.kind === 'preview') this.tree.preview(this.job.id, e);
    if (e.candidate) this.add(e.candidate);
  }

  update(job) {
    this.job = { ...job, favourite: this.job.favourite };
    this.state.textContent = job.state;
    this.state.className = `state ${{ running: 'live', done: 'good', failed: 'bad' }[job.state] ?? ''}`;
    const live = job.state === 'queued' || job.state === 'running';
    this.stop.hidden = !live;
    this.bar.hidden = !live;
    this.error.textContent = job.error ?? '';
    if (job.state === 'queued') this.status.textContent = this.health.queued > 1 ? `Waiting for its turn; ${counted(this.health.queued, 'search waits', 'searches wait')} in all.` : 'Waiting for its turn.';
    if (job.state === 'running' && !this.candidates.length) this.status.textContent = 'The first image is being generated.';
    if (live) return;
    this.tree.settle(job.id);
    const o = job.outcome;
    this.none.hidden = o?.images > 0;
    const took = job.started ? (Date.parse(job.ended) - Date.parse(job.started)) / 1000 : 0;
    this.status.textContent = job.state === 'cancelled' ? 'Cancelled; what was finished is kept.'
      : o && o.best >= 0 ? `${counted(o.images, 'image')}, ${lasting(took)}${o.cost?.money ? `, ${o.cost.money.toFixed(2)} USD` : ''}; ${stops[o.stopped] ?? 'the budget is spent; this is the best'}.` : '';
    if (o?.best >= 0) this.mark(o.best);
    this.tools.replaceChildren(...(job.state === 'done' ? [el('a', { class: 'button', href: `/api/v1/jobs/${job.id}/archive` }, 'Download the run (zip)')] : []),
      el('button', { onclick: () => this.delete() }, 'Delete'));
    this.showCompare();
  }

  add(c) {
    if (!this.tree.add(this.job, c)) return; // sent again after a reconnect
    this.none.hidden = true;
    this.candidates[c.id] = c;
    const done = this.candidates.filter(Boolean).length;
    this.bar.value = done;
    const took = (Date.now() - Date.parse(this.job.started)) / 1000;
    this.status.textContent = `${done} of at most ${counted(this.total(), 'image')}` + (done > 1 && done < this.total() ? `, about ${lasting(Math.max(1, took / done * (this.total() - done)))} left` : '');
    this.mark(this.best());
  }

  best() {
    let best = -1;
    for (const c of this.candidates) if (c && !c.error && (best < 0 || c.score.value > this.candidates[best].score.value)) best = c.id;
    return best;
  }

  mark(best) {
    this.tree.mark(this.job.id, best);
    const c = this.candidates[best];
    if (!c) return;
    this.requirements(null, c.score.requirements ?? []);
    if (this.shown === best) return;
    this.shown = best;
    if (!this.hero.firstChild) this.hero.append(el('button', { class: 'picture', onclick: () => this.open(this.job, this.candidates[this.shown]) }, el('img', { alt: '' })));
    const button = this.hero.firstChild; // it stays, and keeps the focus
    button.setAttribute('aria-label', `Open the best candidate, ${best}`);
    button.firstChild.src = api.image(this.job.id, best);
  }

  requirements(asked, findings) {
    if (findings.length) this.chips.replaceChildren(...findings.map(chip));
    else if (asked) this.chips.replaceChildren(...asked.map((r) => el('li', { class: 'chip' }, words(r))));
  }

  // showCompare offers the images of the search, of its corrections, and the one that it corrects.
  showCompare() {
    const images = [];
    if (this.job.image) images.push({ name: 'the image to correct', src: api.reference(this.job.id) });
    for (const c of this.candidates) if (c && !c.error) images.push({ name: `candidate ${c.id}`, src: api.image(this.job.id, c.id), id: c.id });
    for (const [id, list] of this.corrections) for (const c of list) if (!c.error) images.push({ name: `your correction of ${list.of}, candidate ${c.id}`, src: api.image(id, c.id) });
    if (images.length < 2) return;
    const best = images.findIndex((image) => image.id === this.best());
    this.compare.replaceChildren(compare(images, best === 0 ? 1 : 0, Math.max(0, best)));
  }

  open(job, c) { candidate(job, c, (child) => this.grow(child, this.tree.key(job.id, c.id), c.id, true)); }

  // children shows the corrections that were made before.
  async children() {
    try {
      const { candidates } = await api.candidates(this.job.id); // corrections are shown under them
      candidates.forEach((c) => this.add(c));
      if (this.job.outcome?.best >= 0) this.mark(this.job.outcome.best);
      if (this.job.ended) this.showCompare();
      const { jobs } = await api.list({ corrects: this.job.id, limit: 50 });
      for (const child of jobs.reverse()) {
        const at = child.extra?.corrects;
        if (at && child.id !== this.job.id) this.grow(child, this.tree.key(this.job.id, at.candidate), at.candidate, false);
      }
    } catch (failure) { this.error.textContent = failure.message; }
  }

  // grow shows the job of a correction under the candidate with a key.
  async grow(child, key, of, look) {
    if (this.corrections.has(child.id)) return;
    const list = Object.assign([], { of });
    this.corrections.set(child.id, list);
    this.tree.under(child.id, key);
    const add = (c) => { if (this.tree.add(child, c)) list.push(c); };
    const live = child.state === 'queued' || child.state === 'running';
    if (!live || this.followed >= maxFollowed) { // what follows is seen when the page is opened again
      const { candidates } = await api.candidates(child.id);
      candidates.forEach(add);
      this.tree.mark(child.id, child.outcome?.best ?? -1);
      this.showCompare();
      return;
    }
    this.followed++;
    if (look) this.status.textContent = 'Your correction grows under its candidate.';
    this.stops.push(api.follow(child.id, (e) => {
      if (e.kind === 'progress') this.tree.progress(child.id, e);
      if (e.kind === 'preview') this.tree.preview(child.id, e);
      if (e.candidate) add(e.candidate);
      if (e.job && e.job.ended) {
        this.followed--;
        this.tree.settle(child.id);
        this.tree.mark(child.id, e.job.outcome?.best ?? -1);
        if (e.job.error) this.error.textContent = e.job.error;
        if (look && !e.job.error) this.status.textContent = 'Your correction is finished.';
        this.showCompare();
      }
    }, () => {}, () => {}));
  }

  async cancel() {
    this.stop.disabled = true;
    try { await api.cancel(this.job.id); } catch (failure) { this.error.textContent = failure.message; this.stop.disabled = false; }
  }

  async delete() {
    if (!await confirmed('Delete this search and its images?', 'Delete')) return;
    try { await api.remove(this.job.id); location.hash = '#/history'; } catch (failure) { this.error.textContent = failure.message; }
  }
}
