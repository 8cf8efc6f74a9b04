import * as api from './api.js';
import { el, field } from './dom.js';

export async function history(show) {
  const tiles = el('ul', { class: 'grid' });
  const empty = el('p', { class: 'empty' });
  const text = el('input', { type: 'search', placeholder: 'words of the prompt' });
  const state = el('select', {}, ['', 'queued', 'running', 'done', 'failed', 'cancelled'].map((s) => el('option', { value: s }, s || 'all states')));
  const strategy = el('select', {}, ['', 'adaptive', 'reflection', 'noise-prompt', 'noise'].map((s) => el('option', { value: s }, s || 'all strategies')));
  const total = el('p', { class: 'note' });
  const more = el('button', { hidden: true }, 'Older');
  let next = '';
  const load = async (from) => {
    const query = { limit: 48 };
    if (text.value) query.text = text.value;
    if (state.value) query.state = state.value;
    if (strategy.value) query.strategy = strategy.value;
    if (from) query.before = from;
    const page = await api.list(query);
    const nodes = page.jobs.map(tile);
    if (from) tiles.append(...nodes);
    else tiles.replaceChildren(...nodes);
    next = page.next ?? '';
    more.hidden = !next;
    empty.textContent = tiles.children.length ? '' : text.value || state.value || strategy.value ? 'No search fits.' : 'No search yet. Create one.';
  };
  more.addEventListener('click', () => load(next));
  let timer = 0;
  for (const control of [text, state, strategy]) control.addEventListener('input', () => { clearTimeout(timer); timer = setTimeout(() => load(''), 200); });
  show(el('h1', {}, 'History'), el('div', { class: 'fields' }, field('Search', text), field('State', state), field('Strategy', strategy)), total, tiles, empty, more);
  await load('');
  const sum = await api.statistics();
  if (sum.jobs) total.textContent = `In all ${sum.jobs} ${sum.jobs === 1 ? 'search' : 'searches'} with ${sum.images} images in ${Math.round(sum.seconds)} s` + (sum.usd ? ` for ${sum.usd.toFixed(2)} USD.` : '.');
}

function tile(job) {
  const best = job.outcome?.best ?? -1;
  return el('li', { class: 'tile' }, el('a', { href: `#/job/${job.id}`, 'aria-label': job.prompt },
    best >= 0 ? el('img', { src: api.image(job.id, best, 320), alt: '', loading: 'lazy' }) : el('div', { class: 'blank' }, job.state)),
    el('div', { class: 'text' }, el('p', {}, job.prompt), el('p', { class: 'note' }, `${job.state}, ${new Date(job.created).toLocaleString()}`)));
}
