// The page: routes by the part of the address after #.
import { el } from './dom.js';
import { create } from './create.js';
import { watch } from './job.js';
import { history } from './history.js';
import { about } from './about.js';
import { tryAPI } from './try.js';

const main = document.getElementById('main');
let leave = () => {};

export function connection(text) {
  document.getElementById('connection').textContent = text;
}

function show(...nodes) {
  main.replaceChildren(...nodes);
}

// askKey asks for the API key and keeps it for the images and events of the page.
function askKey() {
  const input = el('input', { type: 'password', autocomplete: 'off', id: 'key' });
  show(el('form', {
    class: 'card', onsubmit: (e) => {
      e.preventDefault();
      document.cookie = `key=${encodeURIComponent(input.value.trim())}; SameSite=Strict; path=/; max-age=31536000` + (location.protocol === 'https:' ? '; Secure' : '');
      route();
    },
  }, el('h1', {}, 'API key'), el('label', { for: 'key' }, 'This server serves owners of a key'), input, el('p', {}, el('button', { class: 'primary' }, 'Continue'))));
}

async function route() {
  leave();
  leave = () => {};
  connection('');
  const path = location.hash.replace(/^#\/?/, '');
  for (const a of document.querySelectorAll('header nav a')) {
    if (a.getAttribute('href') === '#/' + path) a.setAttribute('aria-current', 'page');
    else a.removeAttribute('aria-current');
  }
  try {
    const [page, id] = path.split('/');
    if (page === 'job') leave = await watch(id, show, connection);
    else if (page === 'history') await history(show);
    else if (page === 'api') await tryAPI(show);
    else if (page === 'about') await about(show);
    else await create(show, id);
    document.title = (main.querySelector('h1')?.textContent ?? 'Create').slice(0, 60) + ' · ReflectionFlow';
  } catch (error) {
    if (error.key) askKey();
    else show(el('p', { class: 'error', role: 'alert' }, error.message));
  }
}

addEventListener('hashchange', () => { route().then(() => main.focus()); });
route();
