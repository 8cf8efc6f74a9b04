import * as api from './api.js';
import { el, field } from './dom.js';

const strategies = {
  adaptive: 'adaptive',
  reflection: 'reflection',
  'noise-prompt': 'noise and prompt',
  noise: 'noise',
};

const meanings = {
  adaptive: 'Each image is made by what is expected to help most',
  reflection: 'Images are corrected by what is wrong with them',
  'noise-prompt': 'New seeds, and prompts that say it differently',
  noise: 'The best of several seeds',
};

// create shows the form of a search, filled in like the job again where one is given.
export async function create(show, again) {
  const { models } = await api.models();
  const before = again ? await api.job(again) : null;
  const set = before?.settings ?? {};
  const error = el('p', { class: 'error', role: 'alert' });
  const prompt = el('textarea', { id: 'prompt', required: true, maxlength: 4096, placeholder: 'a photo of two clocks and a red cup' });
  prompt.value = before?.prompt ?? '';
  const model = el('select', {}, models.map((m) => el('option', { value: m.name }, m.name)));
  const strategy = el('select', {}, Object.entries(strategies).map(([name, text]) => el('option', { value: name }, text)));
  const budget = el('input', { type: 'number', min: 1, max: 1024, value: set.budget ?? 8 });
  const size = el('input', { placeholder: 'of the model', pattern: '\\d+(x\\d+)?', value: set.size ?? '' });
  const seed = el('input', { type: 'number', min: 0, placeholder: 'random', value: set.seed ?? '' });
  const note = el('p', { class: 'note' });
  const file = el('input', { type: 'file', accept: 'image/png,image/jpeg,image/webp,image/gif' });
  const reflection = el('textarea', { maxlength: 4096, placeholder: 'There are three clocks. Remove one.' });
  const preview = el('img', { class: 'preview', alt: 'The image to correct', hidden: true });
  file.addEventListener('change', () => {
    URL.revokeObjectURL(preview.src);
    preview.hidden = !file.files.length;
    reflection.required = !preview.hidden;
    if (!preview.hidden) preview.src = URL.createObjectURL(file.files[0]);
  });
  strategy.value = set.strategy ?? 'adaptive';
  const explain = () => {
    const m = models.find((m) => m.name === model.value);
    note.textContent = `${meanings[strategy.value]}; at most ${budget.value || '?'} images of ${size.value || `${m.width}x${m.height}`} pixels with ${m.steps} denoising steps each. The search stops early when an image is right.` + (m.summary ? ` ${m.name}: ${m.summary}.` : '');
  };
  for (const control of [model, strategy, budget, size]) control.addEventListener('input', explain);
  explain();
  const go = el('button', { class: 'primary' }, 'Search');
  show(el('form', {
    class: 'card', onsubmit: async (e) => {
      e.preventDefault();
      go.disabled = true;
      error.textContent = '';
      const search = { strategy: strategy.value, budget: budget.value };
      if (size.value) search.size = size.value;
      if (seed.value !== '') search.seed = Number(seed.value);
      try {
        const body = { prompt: prompt.value, model: model.value, search };
        if (file.files.length) body.correct = { image: await base64(file.files[0]), reflection: reflection.value };
        const job = await api.submit(body);
        location.hash = `#/job/${job.id}`;
      } catch (failure) {
        error.textContent = failure.message;
        go.disabled = false;
      }
    },
  },
    el('h1', {}, 'What should the image show?'),
    field('Prompt', prompt),
    el('div', { class: 'fields' }, field('Model', model), field('Strategy', strategy), field('Images, at most', budget), field('Size in pixels', size), field('Seed', seed)),
    el('details', {}, el('summary', {}, 'Correct an image that you have'),
      field('Image', file), preview, field('What is wrong with it, and what should change?', reflection)),
    note, error, go));
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
