import * as api from './api.js';
import { el, field } from './dom.js';

// tryAPI shows the calls of the API with forms that send them.
export async function tryAPI(show) {
  const doc = await api.description();
  const calls = Object.entries(doc.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, call]) => form(method.toUpperCase(), path, call)));
  show(el('h1', {}, 'API'),
    el('p', {}, doc.info.description, ' The whole description: ', el('a', { href: '/api/v1/openapi.json' }, 'openapi.json'), '.'),
    ...calls);
}

function form(method, path, call) {
  const inputs = (call.parameters ?? []).map((p) => ({ p, input: el('input', { required: p.required, 'aria-label': p.name, autocomplete: 'off' }) }));
  const content = call.requestBody?.content?.['application/json'];
  const body = content ? el('textarea', { class: 'code', spellcheck: 'false' }) : null;
  if (body) body.value = JSON.stringify(content.example ?? {}, null, 2);
  const answer = el('pre', { hidden: true, tabindex: 0, role: 'status' });
  const send = async (e) => {
    e.preventDefault();
    answer.hidden = false;
    answer.textContent = '…';
    try {
      answer.textContent = await exchange(method, path, inputs, body);
    } catch (failure) { answer.textContent = failure.message; }
  };
  return el('details', { class: 'card' }, el('summary', {}, el('code', {}, `${method} ${path}`), ` ${call.summary}`),
    el('form', { onsubmit: send },
      inputs.length ? el('div', { class: 'fields' }, inputs.map(({ p, input }) => field(`${p.name}: ${p.description}`, input))) : null,
      body ? field('Body', body) : null,
      el('p', {}, el('button', {}, 'Send')), answer));
}

// exchange sends a call and returns the reply as text.
async function exchange(method, path, inputs, body) {
  const query = new URLSearchParams();
  const headers = body ? { 'Content-Type': 'application/json' } : {};
  for (const { p, input } of inputs) {
    if (p.in === 'path') path = path.replace(`{${p.name}}`, encodeURIComponent(input.value));
    else if (input.value && p.in === 'query') query.set(p.name, input.value);
    else if (input.value) headers[p.name] = input.value;
  }
  if (query.size) path += '?' + query;
  const reply = await fetch(path, { method, headers, body: body?.value });
  const type = reply.headers.get('Content-Type') ?? '';
  const head = `${reply.status} ${reply.statusText}\n${type}\n\n`;
  if (!/json|text/.test(type)) return head + `${(await reply.arrayBuffer()).byteLength} bytes`;
  let text = await reply.text();
  if (type.includes('json')) text = JSON.stringify(JSON.parse(text), null, 2);
  return head + (text.length > 20000 ? text.slice(0, 20000) + ' …' : text);
}
