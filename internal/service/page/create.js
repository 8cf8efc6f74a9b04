import * as api from './api.js';
import { el, field, counted, lasting, sends } from './dom.js';

export const strategies = {
  adaptive: 'adaptive',
  'adaptive-confirm': 'adaptive, asking twice',
  reflection: 'reflection',
  'noise-prompt': 'noise and prompt',
  noise: 'noise',
};

const meanings = {
  adaptive: 'Each image is made by what is expected to help most',
  'adaptive-confirm': 'As adaptive, for verifiers that err: an image that seems right is judged again',
  reflection: 'Images are corrected by what is wrong with them',
  'noise-prompt': 'New seeds, and prompts that say it differently',
  noise: 'The best of several seeds',
};

// create shows the form of a search, filled in like the job again where one is given.
export async function create(show, again) {
  const [{ models }, sums, before] = await Promise.all([api.models(), api.statistics(), again ? api.job(again) : null]);
  const set = before?.settings ?? {};
  const error = el('p', { class: 'error', role: 'alert' });
  const prompt = sends(el('textarea', { id: 'prompt', required: true, maxlength: 4096, placeholder: 'a photo of two clocks and a red cup' }));
  prompt.value = before?.prompt ?? '';
  const [base, way] = (before?.model ?? '').split(':');
  const model = el('select', {}, models.map((m) => el('option', { value: m.name }, m.name)));
  if (models.some((m) => m.name === base)) model.value = base;
  const strategy = el('select', {}, Object.entries(strategies).map(([name, text]) => el('option', { value: name }, text)));
  const budget = el('input', { required: true, inputmode: 'numeric', pattern: '\\d+|(\\d+(\\.\\d+)?(h|m|s))+', title: 'a number of images such as 8, or a time such as 30s' });
  const size = el('input', { placeholder: 'of the model', pattern: '\\d+(x\\d+)?', title: 'a number such as 512, or 512x768' });
  const seed = el('input', { type: 'number', min: 0, placeholder: 'random' });
  const defaults = () => models.find((m) => m.name === model.value).search;
  // fill fills in what nobody has written: the settings of the job before, or those that the
  // server has for searches with the model.
  const written = new Set();
  for (const control of [strategy, budget, size, seed]) control.addEventListener('input', () => written.add(control));
  const fill = () => {
    const start = before ? set : defaults();
    const values = [[strategy, [start.strategy, way, base, 'adaptive'].find((name) => name in strategies)], [budget, start.budget ?? 8], [size, start.size ?? ''], [seed, start.seed ?? '']];
    for (const [control, value] of values) if (!written.has(control)) control.value = value;
  };
  fill();
  const file = el('input', { type: 'file', accept: 'image/png,image/jpeg,image/webp,image/gif' });
  const reflection = sends(el('textarea', { maxlength: 4096, placeholder: 'There are three clocks. Remove one.' }));
  reflection.value = before?.reflection ?? '';
  const preview = el('img', { class: 'preview', alt: 'The image to correct', hidden: true });
  const same = Boolean(before?.image);
  if (same) {
    preview.src = api.reference(again);
    preview.hidden = false;
    reflection.required = true;
  }
  file.addEventListener('change', () => {
    URL.revokeObjectURL(preview.src);
    preview.hidden = !file.files.length && !same;
    reflection.required = !preview.hidden;
    if (file.files.length) preview.src = URL.createObjectURL(file.files[0]);
    else if (same) preview.src = api.reference(again);
  });
  const note = el('p', { class: 'note' });
  const cost = el('p', { class: 'cost', role: 'status' });
  const explain = () => {
    const m = models.find((m) => m.name === model.value);
    const own = { ...m.search, ...set };
    const images = /^\d+$/.test(budget.value);
    note.textContent = `${meanings[strategy.value]}; ${images ? `at most ${counted(Number(budget.value), 'image')}` : `for ${budget.value || '0s'}, images`} of ${size.value || `${m.width}x${m.height}`} pixels with ${counted(own.steps ?? m.steps, 'denoising step')} each.`
      + (own.early_stop === false ? '' : ' The search stops early when an image is right.') + (m.summary ? ` ${m.name}: ${m.summary}.` : '');
    cost.textContent = images ? estimate(sums.by, model.value, strategy.value, Number(budget.value)) : '';
  };
  model.addEventListener('input', fill);
  for (const control of [model, strategy, budget, size]) control.addEventListener('input', explain);
  explain();
  const go = el('button', { class: 'primary' }, 'Search');
  show(el('form', {
    class: 'card', onsubmit: async (e) => {
      e.preventDefault();
      go.disabled = true;
      error.textContent = '';
      const search = { ...set, strategy: strategy.value, budget: budget.value };
      for (const [name, text] of [['size', size.value], ['seed', seed.value]]) {
        delete search[name];
        if (text !== '') search[name] = name === 'seed' ? Number(text) : text;
      }
      try {
        const body = { prompt: prompt.value, model: model.value, search };
        if (file.files.length) body.correct = { image: await base64(file.files[0]), reflection: reflection.value };
        else if (same) body.correct = { job: again, candidate: -1, reflection: reflection.value };
        const job = await api.submit(body);
        location.hash = `#/job/${job.id}`;
      } catch (failure) {
        error.textContent = failure.message;
        go.disabled = false;
      }
    },
  },
    el('h1', {}, again ? 'The same search with changes' : 'What should the image show?'),
    field('Prompt', prompt),
    el('div', { class: 'fields' }, field('Model', model), field('Strategy', strategy), field('Images, or time', budget), field('Size in pixels', size), field('Seed', seed)),
    el('details', { open: same }, el('summary', {}, 'Correct an image that you have'),
      field('Image', file), preview, field('What is wrong with it, and what should change?', reflection)),
    note, cost, error, el('p', { class: 'row' }, go, el('span', { class: 'note keys' }, 'or Ctrl and Enter'))));
  if (matchMedia('(pointer: fine)').matches) prompt.focus(); // elsewhere it would open a keyboard
}

// estimate says what a search costs at most, by what searches of the model took before.
export function estimate(by, model, strategy, budget) {
  const sum = (list) => list.reduce((a, b) => ({ images: a.images + b.images, seconds: a.seconds + b.seconds, usd: a.usd + b.usd }), { images: 0, seconds: 0, usd: 0 });
  const ofModel = by.filter((t) => t.model === model && t.images);
  const like = ofModel.filter((t) => t.strategy === strategy);
  const known = sum(like.length ? like : ofModel);
  if (!known.images || !budget) return 'Nothing is known yet of how long an image takes: this is the first search with the model.';
  const each = known.seconds / known.images;
  const usd = known.usd / known.images * budget;
  return `At most about ${lasting(each * budget)}${usd ? ` and ${usd.toFixed(2)} USD` : ''}: ${lasting(each)} an image in ${counted(known.images, 'image')} before.`;
}

// base64 reads a file as base64.
function base64(file) {
  return new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result.slice(reader.result.indexOf(',') + 1));
    reader.onerror = () => failed(new Error('The image cannot be read.'));
    reader.readAsDataURL(file);
  });
}
