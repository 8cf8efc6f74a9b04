// The page: routes by the part of the address after #.
import { el } from './dom.js';
import { create } from './create.js';
import { watch } from './job.js';
import { history } from './history.js';
import { settings, theme } from './settings.js';
import { tryAPI } from './try.js';

const main = document.getElementById('main');

// The address names the page after #, so that the link to the content must not change it.
document.querySelector('.skip').addEventListener('click', (e) => {
  e.preventDefault();
  main.focus();
});

let leave = () => {};
let arrived = false; // by a link, so that the focus belongs to the new page
let visit = 0; // grows with every route, so that an answer for one that was left is dropped

export function connection(text) {
  document.getElementById('connection').textContent = text;
}

// askKey asks for the API key and keeps it for the images and events of the page.
function askKey() {
  const input = el('input', { type: 'password', autocomplete: 'off', id: 'key', required: true });
  const wrong = document.cookie.includes('key=') ? 'The key that you gave is unknown or was revoked.' : '';
  main.replaceChildren(el('form', {
    class: 'card', onsubmit: (e) => {
      e.preventDefault();
      document.cookie = `key=${encodeURIComponent(input.value.trim())}; SameSite=Strict; path=/; max-age=31536000` + (location.protocol === 'https:' ? '; Secure' : '');
      route();
    },
  }, el('h1', {}, 'API key'), el('label', { for: 'key' }, 'This server serves owners of a key. Whoever runs it can give you one.'), input, el('p', { class: 'error', role: 'alert' }, wrong), el('p', {}, el('button', { class: 'primary' }, 'Continue'))));
  input.focus();
}

async function route() {
  leave();
  leave = () => {};
  connection('');
  for (const open of document.querySelectorAll('dialog')) open.close();
  const mine = ++visit;
  const show = (...nodes) => {
    if (mine !== visit) return;
    main.replaceChildren(...nodes);
    if (!arrived) return;
    arrived = false;
    main.focus(); // now: later somebody may be typing
    scrollTo(0, 0);
  };
  const fail = (error) => {
    if (mine !== visit) return;
    leave();
    leave = () => {};
    connection('');
    if (error.key) askKey();
    else show(el('h1', {}, error.missing ? 'This is not here' : 'That did not work'), el('p', { class: 'error', role: 'alert' }, error.message),
      el('p', { class: 'row' }, el('button', { onclick: route }, 'Try again'), el('a', { class: 'button', href: '#/history' }, 'To the history')));
  };
  const [path, query] = location.hash.replace(/^#\/?/, '').split('?');
  const [page, id] = path.split('/');
  for (const a of document.querySelectorAll('header nav a')) {
    if (a.getAttribute('href') === '#/' + page) a.setAttribute('aria-current', 'page');
    else a.removeAttribute('aria-current');
  }
  try {
    if (page === 'job') {
      const stop = await watch(id, show, connection, fail);
      if (mine === visit) leave = stop;
      else stop();
    } else if (page === 'history') {
      const stop = await history(show, new URLSearchParams(query));
      if (mine === visit) leave = stop;
      else stop();
    } else if (page === 'api') await tryAPI(show);
    else if (page === 'settings') await settings(show);
    else await create(show, id);
    if (mine === visit) document.title = (main.querySelector('h1')?.textContent ?? 'Create').slice(0, 60) + ' · ReflectionFlow';
  } catch (error) { fail(error); }
}

theme();
addEventListener('hashchange', () => {
  arrived = true;
  route();
});
route();
