// Calls of the service's API. A call that fails throws an Error whose message is for people.

export async function call(path, options = {}) {
  let reply;
  try {
    reply = await fetch(path, { ...options, headers: { 'Content-Type': 'application/json', ...(options.headers ?? {}) } });
  } catch {
    throw new Error('The server cannot be reached. Is it running?');
  }
  if (reply.status === 401) {
    const error = new Error('This server needs an API key.');
    error.key = true;
    throw error;
  }
  if (reply.status === 204) return null;
  let body = null;
  try {
    body = await reply.json();
  } catch {
    throw new Error(`The server answered with status ${reply.status}.`);
  }
  if (!reply.ok) {
    const error = new Error(upper(body?.error?.message ?? `The server answered with status ${reply.status}.`));
    error.missing = reply.status === 404;
    throw error;
  }
  return body;
}

const upper = (text) => text.charAt(0).toUpperCase() + text.slice(1);

export const models = () => call('/api/v1/models');
export const job = (id) => call(`/api/v1/jobs/${id}`);
export const list = (query) => call('/api/v1/jobs?' + new URLSearchParams(query));
export const statistics = () => call('/api/v1/statistics');
export const description = () => call('/api/v1/openapi.json');
export const submit = (body) => call('/api/v1/jobs', { method: 'POST', body: JSON.stringify(body) });
export const cancel = (id) => call(`/api/v1/jobs/${id}/cancel`, { method: 'POST' });
export const remove = (id) => call(`/api/v1/jobs/${id}`, { method: 'DELETE' });
export const candidates = (id) => call(`/api/v1/jobs/${id}/candidates`);
export const favour = (id, yes) => call(`/api/v1/jobs/${id}/favourite`, { method: yes ? 'PUT' : 'DELETE' });
export const health = () => call('/api/v1/health');
export const reference = (id) => `/api/v1/jobs/${id}/reference`;
export const image = (id, candidate, side) => `/api/v1/jobs/${id}/images/${candidate}` + (side ? `?side=${side}` : '');

const kinds = ['submitted', 'started', 'prompt', 'candidate', 'progress', 'preview', 'done', 'failed', 'cancelled'];

// follow calls receive for every event of a job, with what is under way, state when the
// connection is lost or back, and refused with the error where the server gives the job no
// more. It returns a function that ends it. After a lost connection events may come again.
export function follow(id, receive, state, refused) {
  let source = null;
  let timer = 0;
  let over = false;
  const open = () => {
    source = new EventSource(`/api/v1/jobs/${id}/events`);
    for (const kind of kinds) {
      source.addEventListener(kind, (e) => {
        receive(JSON.parse(e.data));
        if (['done', 'failed', 'cancelled'].includes(kind)) stop();
      });
    }
    source.onopen = () => state(true);
    source.onerror = () => {
      if (over) return;
      state(false);
      if (source.readyState !== EventSource.CLOSED) return; // the browser tries again
      clearTimeout(timer);
      timer = setTimeout(again, 2000);
    };
  };
  const again = async () => {
    try { await job(id); } catch (error) {
      if (!over && (error.key || error.missing)) {
        stop();
        refused(error);
      }
    }
    if (!over) open();
  };
  const stop = () => {
    over = true;
    clearTimeout(timer);
    source.close();
    state(true);
  };
  open();
  return stop;
}
