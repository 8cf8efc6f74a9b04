import * as api from './api.js';
import { el, field, counted, star, confirmed } from './dom.js';
import { strategies } from './create.js';

const states = ['queued', 'running', 'done', 'failed', 'cancelled'];

// history shows the searches that fit filters, which are in the address.
export async function history(show, wanted) {
  const { models } = await api.models();
  const tiles = el('ul', { class: 'grid', 'aria-label': 'Searches' });
  const empty = el('p', { class: 'empty', role: 'status' });
  const error = el('p', { class: 'error', role: 'alert' });
  const choice = (all, list) => el('select', {}, [['', all], ...list].map(([value, text]) => el('option', { value }, text)));
  const controls = {
    text: el('input', { type: 'search', placeholder: 'words of the prompt' }),
    state: choice('all states', states.map((s) => [s, s])),
    strategy: choice('all strategies', Object.entries(strategies)),
    model: choice('all models', models.map((m) => [m.name, m.name])),
  };
  const favourite = el('input', { type: 'checkbox' });
  for (const [name, control] of Object.entries(controls)) control.value = wanted.get(name) ?? '';
  favourite.checked = wanted.has('favourite');
  const total = el('p', { class: 'note' });
  const more = el('button', { hidden: true }, 'Older');
  let next = '';
  let asked = 0;
  const load = async (from) => {
    const query = {};
    for (const [name, control] of Object.entries(controls)) if (control.value) query[name] = control.value;
    if (favourite.checked) query.favourite = 'true';
    globalThis.history.replaceState(null, '', '#/history' + (Object.keys(query).length ? '?' + new URLSearchParams(query) : ''));
    const mine = ++asked;
    error.textContent = '';
    try {
      const page = await api.list({ ...query, limit: 48, ...(from ? { before: from } : {}) });
      if (mine !== asked) return; // the filters have changed
      const nodes = page.jobs.map((job) => tile(job, error));
      if (from) tiles.append(...nodes);
      else tiles.replaceChildren(...nodes);
      next = page.next ?? '';
      more.hidden = !next;
      empty.replaceChildren(...(tiles.children.length ? [] : Object.keys(query).length ? ['No search fits these filters.'] : ['Nothing was searched yet. ', el('a', { href: '#/' }, 'Create an image'), '.']));
    } catch (failure) { error.textContent = failure.message; }
  };
  more.addEventListener('click', () => load(next));
  let timer = 0;
  for (const control of [...Object.values(controls), favourite]) control.addEventListener('input', () => { clearTimeout(timer); timer = setTimeout(() => load(''), 200); });
  show(el('h1', {}, 'History'), el('div', { class: 'fields', role: 'search', 'aria-label': 'Filters' }, field('Search', controls.text), field('State', controls.state), field('Strategy', controls.strategy), field('Model', controls.model),
    el('label', { class: 'check' }, favourite, 'Favourites only')), total, error, tiles, empty, more);
  await load('');
  const sum = await api.statistics();
  if (sum.jobs) total.textContent = `In all ${counted(sum.jobs, 'search', 'searches')} with ${counted(sum.images, 'image')} in ${Math.round(sum.seconds)} s` + (sum.usd ? ` for ${sum.usd.toFixed(2)} USD.` : '.');
}

function tile(job, error) {
  const best = job.outcome?.best ?? -1;
  const live = job.state === 'queued' || job.state === 'running';
  const node = el('li', { class: 'tile' }, el('a', { class: 'picture', href: `#/job/${job.id}`, 'aria-label': `Open: ${job.prompt}` },
    best >= 0 ? el('img', { src: api.image(job.id, best, 320), alt: '', loading: 'lazy' }) : el('div', { class: 'blank' }, job.state)),
    el('div', { class: 'text' }, el('p', { class: 'clamp', title: job.prompt }, job.prompt), job.reflection ? el('p', { class: 'note clamp', title: job.reflection }, `Corrected: ${job.reflection}`) : null,
      el('p', { class: 'note' }, `${job.state}, ${new Date(job.created).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' })}`),
      el('p', { class: 'row tools' }, star(job.favourite, (yes) => api.favour(job.id, yes)), el('a', { href: `#/create/${job.id}`, 'aria-label': `Again with changes: ${job.prompt}` }, 'Again'),
        live ? null : el('button', {
          class: 'link', 'aria-label': `Delete: ${job.prompt}`, onclick: async () => {
            if (!await confirmed('Delete this search and its images?', 'Delete')) return;
            try {
              await api.remove(job.id);
              node.remove();
            } catch (failure) { error.textContent = failure.message; }
          },
        }, 'Delete'))));
  return node;
}
