import { el } from './dom.js';

// code is a job as calls of the API: curl, Python and Go.
export function code(job, health) {
  const text = JSON.stringify(body(job), null, 1).replace(/\n\s*/g, ' ');
  const calls = { curl: curl(text, health.keys), Python: python(text, health.keys), Go: go(text, health.keys) };
  return Object.entries(calls).flatMap(([name, text]) => [el('h3', {}, name), ...copied(name, text)]);
}

// body is the request that submits a job again.
function body(job) {
  const correct = job.image ? { job: job.id, candidate: -1, reflection: job.reflection } : undefined;
  return { prompt: job.prompt, model: job.model || undefined, search: job.settings, correct };
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`; // for a shell

function curl(body, keys) {
  return `curl ${location.origin}/api/v1/jobs -H 'Content-Type: application/json'${keys ? " -H 'Authorization: Bearer KEY'" : ''} -d ${quoted(body)}`;
}

function python(body, keys) {
  return `import json, urllib.request

body = json.loads(${JSON.stringify(body)})
call = urllib.request.Request("${location.origin}/api/v1/jobs", json.dumps(body).encode(), {"Content-Type": "application/json"${keys ? ', "Authorization": "Bearer KEY"' : ''}})
print(json.load(urllib.request.urlopen(call))["id"])`;
}

function go(body, keys) {
  return `package main

import (
	"io"
	"log"
	"net/http"
	"os"
	"strings"
)

func main() {
	call, err := http.NewRequest("POST", "${location.origin}/api/v1/jobs", strings.NewReader(${JSON.stringify(body)}))
	if err != nil {
		log.Fatal(err)
	}
	call.Header.Set("Content-Type", "application/json")
${keys ? '\tcall.Header.Set("Authorization", "Bearer KEY")\n' : ''}	reply, err := http.DefaultClient.Do(call)
	if err != nil {
		log.Fatal(err)
	}
	defer reply.Body.Close()
	io.Copy(os.Stdout, reply.Body)
}`;
}

// copied is a text with a button that copies it, where the browser lets a page do that.
function copied(name, text) {
  const pre = el('pre', { tabindex: 0, role: 'region', 'aria-label': `${name} code` }, text);
  if (!navigator.clipboard) return [pre];
  const said = el('span', { class: 'note', role: 'status' });
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      said.textContent = 'Copied.';
    } catch { said.textContent = 'The browser does not let the page copy.'; }
  };
  return [pre, el('p', { class: 'row' }, el('button', { type: 'button', 'aria-label': `Copy the ${name} code`, onclick: copy }, 'Copy'), said)];
}
