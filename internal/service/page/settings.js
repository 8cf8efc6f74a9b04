import * as api from './api.js';
import { el, field, counted, lasting } from './dom.js';

// theme applies the colors that this browser has chosen.
export function theme() {
  document.documentElement.dataset.theme = localStorage.getItem('theme') ?? 'auto';
}

// settings shows the state of the server and the settings of this browser.
export async function settings(show) {
  const [{ models, version }, health, sum] = await Promise.all([api.models(), api.health(), api.statistics()]);
  const colors = el('select', {}, [['auto', 'as the system'], ['light', 'light'], ['dark', 'dark']].map(([name, text]) => el('option', { value: name }, text)));
  colors.value = localStorage.getItem('theme') ?? 'auto';
  colors.addEventListener('input', () => {
    localStorage.setItem('theme', colors.value);
    theme();
  });
  const row = (name, value) => el('tr', {}, el('th', { scope: 'row' }, name), el('td', {}, value));
  const limit = (n) => n ? String(n) : 'no limit';
  show(
    el('h1', {}, 'Settings and health'),
    el('section', { class: 'card' }, el('h2', {}, 'Server'),
      el('p', {}, el('span', { class: `state ${health.ready && health.healthy ? 'good' : 'bad'}` }, health.ready && health.healthy ? 'working' : 'in trouble'),
        health.healthy ? '' : ' Nothing can be stored: the disk may be full. Searches wait until it can be written.'),
      el('table', {},
        row('Version', version),
        row('Running since', new Date(health.started).toLocaleString()),
        row('Searches that run', `${health.running} of at most ${health.parallel} on this server`),
        row('Searches that wait', String(health.queued)),
        row('Yours so far', `${counted(sum.jobs, 'search', 'searches')}, ${counted(sum.images, 'image')}, ${lasting(sum.seconds)}${sum.usd ? `, ${sum.usd.toFixed(2)} USD` : ''}`),
        row('OpenAI’s image API', el('code', {}, `${location.origin}/v1`)))),
    el('section', { class: 'card' }, el('h2', {}, 'Models'),
      el('ul', { class: 'plain' }, models.map((m) => el('li', {}, el('strong', {}, m.name), ` ${m.summary ?? ''}`, el('p', { class: 'note' }, `${m.width}x${m.height} pixels, ${counted(m.steps, 'step')}, guidance ${m.guidance}`))))),
    el('section', { class: 'card' }, el('h2', {}, 'This browser'),
      field('Colors', colors),
      health.keys ? el('p', { class: 'row' }, el('button', { onclick: () => { document.cookie = 'key=; max-age=0; path=/'; location.reload(); } }, 'Forget the API key'), el('span', { class: 'note' }, `of ${health.owner}; waiting: ${limit(health.limits?.queued)}, running: ${limit(health.limits?.running)}, images an hour: ${limit(health.limits?.images_per_hour)}`)) : el('p', { class: 'note' }, 'This server needs no API key.')));
}
