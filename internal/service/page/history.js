import * as api from './api.js';
import { el, field, counted, star, confirmed } from './dom.js';
import { strategies } from './create.js';

const states = ['queued', 'running', 'done', 'failed', 'cancelled'];
const pageSize = 48;
const lookTime = 4000; // milliseconds between looks at searches that have not ended

const ended = (job) => job.state !== 'queued' && job.state !== 'running';

// history shows the searches that fit filters, which are in the address. It returns a
// function that ends it.
export async function history(show, wanted) {
  const { models } = await api.models();
  const tiles = el('ul', { class: 'grid', 'aria-label': 'Searches' });
  const empty = el('p', { class: 'empty' });
  const said = el('p', { class: 'note', role: 'status' });
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
  const jobs = new Map(); // tiles by job
  let next = '';
  let asked = 0;
  const filters = () => {
    const query = {};
    for (const [name, control] of Object.entries(controls)) if (control.value) query[name] = control.value;
    if (favourite.checked) query.favourite = 'true';
    return query;
  };
  // gone says how many searches are left, and keeps the focus in the list.
  const gone = (node) => {
    const near = node.nextElementSibling ?? node.previousElementSibling;
    node.remove();
    jobs.delete(node.dataset.job);
    say();
    (near?.querySelector('a') ?? controls.text).focus();
  };
  const say = () => {
    const n = tiles.children.length;
    said.textContent = n ? `${counted(n, 'search', 'searches')}${next ? ', and older ones' : ''}.` : '';
    empty.hidden = n > 0;
    empty.replaceChildren(...(Object.keys(filters()).length ? ['No search fits these filters.'] : ['Nothing was searched yet. ', el('a', { href: '#/' }, 'Create an image'), '.']));
  };
  const add = (job) => {
    const node = tile(job, error, gone);
    jobs.set(job.id, { node, job });
    return node;
  };
  const load = async (from) => {
    const query = filters();
    globalThis.history.replaceState(null, '', '#/history' + (Object.keys(query).length ? '?' + new URLSearchParams(query) : ''));
    const mine = ++asked;
    error.textContent = '';
    try {
      const page = await api.list({ ...query, limit: pageSize, ...(from ? { before: from } : {}) });
      if (mine !== asked) return; // the filters have changed
      if (!from) jobs.clear();
      const nodes = page.jobs.map(add);
      if (from) tiles.append(...nodes);
      else tiles.replaceChildren(...nodes);
      next = page.next ?? '';
      more.hidden = !next;
      say();
      if (from) nodes[0]?.querySelector('a').focus();
    } catch (failure) { error.textContent = failure.message; }
  };
  // look shows what has become of the searches that had not ended.
  const look = async () => {
    for (const { node, job } of [...jobs.values()].filter(({ job }) => !ended(job)).slice(-8)) { // the oldest end first
      if (document.hidden) return;
      try {
        const now = await api.job(job.id);
        if (now.state === job.state || !node.isConnected) continue;
        const at = [...node.querySelectorAll('a, button')].indexOf(document.activeElement);
        const fresh = add(now);
        node.replaceWith(fresh);
        fresh.querySelectorAll('a, button')[at]?.focus();
      } catch { return; } // it is tried again
    }
  };
  more.addEventListener('click', () => load(next));
  let timer = 0;
  for (const control of [...Object.values(controls), favourite]) control.addEventListener('input', () => { clearTimeout(timer); timer = setTimeout(() => load(''), 200); });
  show(el('h1', {}, 'History'), el('div', { class: 'fields', role: 'search', 'aria-label': 'Filters' }, field('Search', controls.text), field('State', controls.state), field('Strategy', controls.strategy), field('Model', controls.model),
    el('label', { class: 'check' }, favourite, 'Favourites only')), said, error, tiles, empty, el('p', { class: 'row' }, more), total);
  await load('');
  const sum = await api.statistics();
  if (sum.jobs) total.textContent = `In all ${counted(sum.jobs, 'search', 'searches')} with ${counted(sum.images, 'image')} in ${Math.round(sum.seconds)} s` + (sum.usd ? ` for ${sum.usd.toFixed(2)} USD.` : '.');
  const looking = setInterval(look, lookTime);
  return () => {
    clearInterval(looking);
    clearTimeout(timer);
  };
}

function tile(job, error, gone) {
  const best = job.outcome?.best ?? -1;
  const node = el('li', { class: 'tile', 'data-job': job.id }, el('a', { class: 'picture', href: `#/job/${job.id}`, 'aria-label': `Open: ${job.prompt}` + (best < 0 ? `, ${job.state}` : '') },
    best >= 0 ? el('img', { src: api.image(job.id, best, 320), alt: '', loading: 'lazy' }) : el('div', { class: 'blank' }, job.state)),
    el('div', { class: 'text' }, el('p', { class: 'clamp', title: job.prompt }, job.prompt), job.reflection ? el('p', { class: 'note clamp', title: job.reflection }, `Corrected: ${job.reflection}`) : null,
      el('p', { class: 'note' }, `${job.state}, ${new Date(job.created).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' })}`),
      job.error ? el('p', { class: 'bad clamp', title: job.error }, job.error) : null,
      el('p', { class: 'row tools' }, star(job.favourite, job.prompt, (yes) => api.favour(job.id, yes)), el('a', { href: `#/create/${job.id}`, 'aria-label': `Again with changes: ${job.prompt}` }, 'Again'),
        ended(job) ? el('button', {
          class: 'link', 'aria-label': `Delete: ${job.prompt}`, onclick: async () => {
            if (!await confirmed('Delete this search and its images?', 'Delete')) return;
            try {
              await api.remove(job.id);
              gone(node);
            } catch (failure) { error.textContent = failure.message; }
          },
        }, 'Delete') : null)));
  return node;
}
