import * as api from './api.js';
import { el } from './dom.js';

const actions = { explore: 'new noise', rewrite: 'rewritten prompt', reflect: 'correction' };

// titled says how a candidate came about. Those without a parent start from the image that the
// job corrects, if it corrects one.
export function titled(corrects, c) {
  const action = actions[c.action] ?? c.action;
  if (!corrects || c.parent >= 0) return action;
  return c.action === 'explore' ? 'your correction' : `your correction, ${action}`;
}

// Tree shows candidates under the ones that they come from, of one job and of the jobs that
// correct its candidates. It grows while they are generated.
export class Tree {
  constructor(open) {
    this.open = open;
    this.nodes = new Map(); // by job and candidate
    this.list = el('ul', { class: 'tree', 'aria-label': 'Candidates', onkeydown: (e) => this.move(e) });
    this.roots = new Map(); // by job: the key of the node that its first candidates are under
  }

  // move moves the focus by arrow keys: up and down through all candidates, left to the one
  // that a candidate comes from, right to the first that comes from it.
  move(e) {
    if (e.altKey || e.ctrlKey || e.metaKey || e.shiftKey || !e.target.matches('button.picture')) return;
    const all = [...this.list.querySelectorAll('button.picture')];
    const at = all.indexOf(e.target);
    const item = e.target.closest('li');
    const to = {
      ArrowDown: () => all[at + 1], ArrowUp: () => all[at - 1], Home: () => all[0], End: () => all.at(-1),
      ArrowLeft: () => item.parentNode.closest('li')?.querySelector(':scope > .node button.picture'),
      ArrowRight: () => item.querySelector(':scope > ul button.picture'),
    }[e.key];
    if (!to) return;
    e.preventDefault(); // of the page's scrolling
    to()?.focus();
  }

  // under puts the candidates of a job that come from none under a node.
  under(job, key) { this.roots.set(job, key); }

  key(job, id) { return `${job}/${id}`; }

  // root adds the image that a job corrects.
  root(job, link) {
    const key = this.key(job.id, 'reference');
    this.under(job.id, key);
    const picture = el('img', { src: api.reference(job.id), alt: 'The image to correct', loading: 'lazy' });
    const node = { card: el('div', { class: 'node' }, el('div', { class: 'picture' }, picture), el('div', { class: 'text' }, el('p', {}, el('strong', {}, 'the image to correct')), link)), children: el('ul') };
    this.nodes.set(key, node);
    this.list.append(el('li', {}, node.card, node.children));
  }

  // node returns the node of a candidate, and adds it in its place.
  node(job, id, parent) {
    const key = this.key(job, id);
    let node = this.nodes.get(key);
    if (node) return node;
    node = { card: el('div', { class: 'node waiting', id: `${this.own === job ? '' : job + '-'}candidate-${id}` }), children: el('ul'), id };
    this.nodes.set(key, node);
    const above = this.nodes.get(parent >= 0 ? this.key(job, parent) : this.roots.get(job));
    const item = el('li', {}, node.card, node.children);
    item.dataset.order = `${job === this.own ? 0 : 1}${String(id).padStart(5, '0')}`;
    const list = above ? above.children : this.list;
    const next = [...list.children].find((other) => other.dataset.order > item.dataset.order);
    list.insertBefore(item, next ?? null);
    return node;
  }

  // progress shows a candidate that is under way.
  progress(job, p) {
    const node = this.node(job, p.id, p.parent ?? 0);
    if (node.done) return;
    node.stage = p.stage;
    node.what = titled(this.roots.has(job), p);
    node.reflection = p.reflection;
    this.waiting(node);
  }

  preview(job, p) {
    const node = this.nodes.get(this.key(job, p.id));
    if (!node || node.done) return;
    node.preview = p;
    this.waiting(node);
  }

  waiting(node) {
    const p = node.preview;
    const said = node.stage === 'generated' ? 'being judged' : p ? `step ${p.step} of ${p.steps}` : 'being generated';
    node.card.replaceChildren(
      el('div', { class: 'picture' }, p ? el('img', { class: 'rough', src: `data:image/jpeg;base64,${p.image}`, alt: `Preview of candidate ${node.id}` }) : el('div', { class: 'blank', 'aria-hidden': 'true' }, '…')),
      el('div', { class: 'text' }, el('p', {}, el('strong', {}, `${node.id} · ${node.what}`)), el('p', { class: 'note' }, said),
        node.reflection ? el('p', { class: 'clamp' }, node.reflection) : null));
  }

  // add shows a finished candidate, once.
  add(job, c) {
    const node = this.node(job.id, c.id, c.parent);
    if (node.done) return false;
    node.done = c;
    node.card.classList.remove('waiting');
    const findings = c.score.requirements ?? [];
    const met = findings.filter((f) => f.verdict === 'met').length;
    const theirs = job.id !== this.own;
    const what = titled(this.roots.has(job.id), c);
    const text = c.request.reflection || (c.parent < 0 ? job.reflection : '');
    node.card.replaceChildren(
      c.error ? el('div', { class: 'picture' }, el('div', { class: 'blank' }, 'no image'))
        : el('button', { class: 'picture', 'aria-label': `Open candidate ${c.id}${theirs ? ' of your correction' : ''}`, onclick: () => this.open(job, c) }, el('img', { src: api.image(job.id, c.id, 320), alt: '', loading: 'lazy' })),
      el('div', { class: 'text' }, el('p', {}, el('strong', {}, `${c.id} · ${what}`)),
        c.error ? el('p', { class: 'clamp bad', title: c.error }, c.error) : el('p', { class: 'note' }, `score ${c.score.value.toFixed(2)}` + (findings.length ? `, ${met} of ${findings.length} met` : '')),
        text ? el('p', { class: 'clamp', title: text }, text) : null));
    return true;
  }

  // mark marks the best candidate of a job.
  mark(job, best) {
    for (const [key, node] of this.nodes) {
      if (!key.startsWith(job + '/')) continue;
      const is = key === this.key(job, best);
      node.card.classList.toggle('best', is);
      const badge = node.card.querySelector('.badge');
      if (is && !badge) node.card.querySelector('strong')?.after(' ', el('span', { class: 'badge' }, 'best'));
      else if (!is) badge?.remove();
    }
  }

  // settle drops what will not be finished: the search has ended.
  settle(job) {
    for (const [key, node] of this.nodes) {
      if (!key.startsWith(job + '/') || node.done || key.endsWith('/reference')) continue;
      node.card.parentNode.remove();
      this.nodes.delete(key);
    }
  }
}
