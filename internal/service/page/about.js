import * as api from './api.js';
import { el } from './dom.js';

export async function about(show) {
  const { models, version } = await api.models();
  show(el('h1', {}, 'About'),
    el('p', {}, `ReflectionFlow ${version}. OpenAI's image API is at ${location.origin}/v1.`),
    el('h2', {}, 'Models'),
    el('ul', {}, models.map((m) => el('li', {}, el('strong', {}, m.name), ` ${m.summary ?? ''}: ${m.width}x${m.height} pixels, ${m.steps} steps, guidance ${m.guidance}`))),
    el('h2', {}, 'API key'),
    el('p', {}, el('button', { onclick: () => { document.cookie = 'key=; max-age=0; path=/'; location.reload(); } }, 'Forget the key of this browser')));
}
