import * as api from './api.js';
import { el, svg, field, words, chip, dialog, sends } from './dom.js';
import { titled } from './tree.js';

// wish is a sentence that asks for a requirement.
function wish(r) {
  const thing = [r.color, r.object].filter(Boolean).join(' ');
  switch (r.kind) {
    case 'exactly': return `Show exactly ${r.count} ${thing}${r.count === 1 ? '' : 's'}.`;
    case 'at_least': return `Show at least ${r.count} ${thing}${r.count === 1 ? '' : 's'}.`;
    case 'at_most': return `Show at most ${r.count} ${thing}${r.count === 1 ? '' : 's'}.`;
    case 'absent': return `Remove every ${thing}.`;
    case 'color': return `Make the ${r.object} ${r.color}.`;
    default: return `Show ${words(r)}.`;
  }
}

// candidate opens a candidate: what was found in it, and the form that corrects it.
// corrected receives the job of a correction.
export function candidate(job, c, corrected) {
  const error = el('p', { class: 'error', role: 'alert' });
  const own = sends(el('textarea', { placeholder: 'There are three clocks. Remove one.', maxlength: 3000 }));
  const budget = el('input', { type: 'number', min: 1, max: 64, value: 2, required: true });
  const go = el('button', { class: 'primary' }, 'Correct');
  const boxes = svg('svg', { viewBox: '0 0 1 1', preserveAspectRatio: 'none', 'aria-hidden': 'true' });
  const light = (list) => boxes.replaceChildren(...(list ?? []).map((o) => svg('rect', { x: o.box[0], y: o.box[1], width: o.box[2] - o.box[0], height: o.box[3] - o.box[1] })));
  const findings = c.score.requirements ?? [];
  const ticks = findings.map((f) => ({ f, box: el('input', { type: 'checkbox' }) }));
  const text = () => [own.value.trim(), ...ticks.filter((t) => t.box.checked).map((t) => wish(t.f.requirement))].filter(Boolean).join(' ');
  const send = async (e) => {
    e.preventDefault();
    error.textContent = '';
    if (!text()) {
      error.textContent = 'Say what to change, or tick what is missing.';
      own.focus();
      return;
    }
    go.disabled = true; // two clicks are one correction
    try {
      const search = { ...job.settings, strategy: 'noise', budget: budget.value };
      delete search.seed;
      delete search.axes;
      const child = await api.submit({ prompt: job.prompt, model: (job.model ?? '').split(':')[0] in { adaptive: 1, reflection: 1, noise: 1, 'noise-prompt': 1 } ? '' : (job.model ?? '').split(':')[0], search, correct: { job: job.id, candidate: c.id, reflection: text() } });
      node.close();
      corrected(child);
    } catch (failure) {
      error.textContent = failure.message;
      go.disabled = false;
    }
  };
  const shown = []; // the buttons of findings with evidence
  const evidence = (f) => {
    const item = chip(f);
    if (!f.evidence?.length) return item;
    const button = el('button', { type: 'button', class: item.className, 'aria-label': `${item.textContent}: show where`, 'aria-pressed': 'false' }, item.textContent);
    const lit = () => { // the finding that was chosen, or all where none was
      const chosen = shown.filter((s) => s.button.getAttribute('aria-pressed') === 'true');
      light(chosen.flatMap((s) => s.f.evidence));
    };
    shown.push({ f, button });
    button.addEventListener('click', () => {
      button.setAttribute('aria-pressed', String(button.getAttribute('aria-pressed') !== 'true'));
      lit();
    });
    for (const name of ['mouseenter', 'focus']) button.addEventListener(name, () => light(f.evidence));
    for (const name of ['mouseleave', 'blur']) button.addEventListener(name, lit);
    return el('li', {}, button);
  };
  const node = dialog(`Candidate ${c.id}`,
    el('div', { class: 'head' }, el('h2', {}, `Candidate ${c.id}`), el('button', { type: 'button', 'aria-label': 'Close', class: 'close', onclick: () => node.close() }, '×')),
    el('div', { class: 'two' },
      el('div', {}, el('div', { class: 'stage' }, el('img', { src: api.image(job.id, c.id), alt: `Candidate ${c.id}` }), boxes), el('p', { class: 'row' }, el('a', { href: api.image(job.id, c.id), download: `candidate-${c.id}.png` }, 'Download'))),
      el('div', {},
        el('p', { class: 'note' }, `${titled(job.image, c)}${c.parent >= 0 ? ` of candidate ${c.parent}` : ''}, seed ${c.request.seed}, score ${c.score.value.toFixed(3)}`),
        c.reason ? el('p', { class: 'note' }, `Why it was made so: ${c.reason}.`) : null,
        findings.length ? el('ul', { class: 'chips', 'aria-label': 'Findings' }, findings.map(evidence)) : null,
        c.request.prompt !== job.prompt ? el('p', { class: 'note' }, 'Prompt: ' + c.request.prompt) : null,
        c.request.reflection ? el('p', { class: 'note' }, 'Reflection: ' + c.request.reflection) : null,
        (c.warnings ?? []).map((w) => el('p', { class: 'error' }, w)),
        el('form', { onsubmit: send },
          el('h3', {}, 'Correct this'),
          field('What is wrong, and what should change?', own),
          ticks.length ? el('fieldset', {}, el('legend', {}, 'Or tick what the image should have'), ticks.map((t) => el('label', { class: 'check' }, t.box, `${words(t.f.requirement)}`))) : null,
          el('div', { class: 'fields' }, field('Images, at most', budget)),
          error,
          el('p', { class: 'row' }, go)))));
  return node;
}
