import { el, field } from './dom.js';

const ways = { slider: 'slider', side: 'side by side', flicker: 'flicker' };
const flickerTime = 700; // milliseconds, well below three flashes a second

// compare shows two of several images at one size. Images are { name, src }.
export function compare(images, first, second) {
  const pick = (at) => {
    const select = el('select', {}, images.map((image, i) => el('option', { value: i }, image.name)));
    select.value = at;
    return select;
  };
  const [a, b] = [pick(first), pick(second)];
  const stage = el('div', { class: 'compare' });
  const under = el('div', { class: 'row' });
  let way = 'slider';
  let timer = 0;
  const image = (select, extra) => el('img', { src: images[select.value].src, alt: images[select.value].name, class: extra ?? '' });
  const buttons = Object.entries(ways).map(([name, text]) => el('button', { type: 'button', 'aria-pressed': String(name === way), onclick: () => { way = name; draw(); } }, text));
  const draw = () => {
    clearInterval(timer);
    buttons.forEach((button, i) => button.setAttribute('aria-pressed', String(Object.keys(ways)[i] === way)));
    under.replaceChildren();
    if (way === 'side') {
      stage.replaceChildren(el('div', { class: 'pair' }, [a, b].map((select) => el('figure', {}, image(select), el('figcaption', {}, images[select.value].name)))));
      return;
    }
    const over = image(b, 'over');
    stage.replaceChildren(el('div', { class: 'stage' }, image(a), over));
    if (way === 'slider') {
      const slide = el('input', { type: 'range', min: 0, max: 100, value: 50, 'aria-label': `From ${images[a.value].name} to ${images[b.value].name}` });
      const cut = () => { over.style.clipPath = `inset(0 0 0 ${100 - slide.value}%)`; };
      slide.addEventListener('input', cut);
      cut();
      under.append(slide);
      return;
    }
    const shown = el('span', { class: 'note' });
    const flip = (hide) => {
      over.hidden = hide;
      shown.textContent = images[hide ? a.value : b.value].name;
    };
    const button = el('button', { type: 'button', onclick: () => run(!timer) });
    const run = (yes) => {
      clearInterval(timer);
      timer = yes ? setInterval(() => { if (over.isConnected) flip(!over.hidden); else clearInterval(timer); }, flickerTime) : 0;
      button.textContent = yes ? 'Pause' : 'Play';
    };
    under.append(button, el('button', { type: 'button', onclick: () => { run(false); flip(!over.hidden); } }, 'Other one'), shown);
    flip(false);
    run(!matchMedia('(prefers-reduced-motion: reduce)').matches);
  };
  for (const select of [a, b]) select.addEventListener('input', draw);
  draw();
  return el('section', { class: 'card', 'aria-label': 'Compare' }, el('h2', {}, 'Compare'),
    el('div', { class: 'fields' }, field('Left, or first', a), field('Right, or second', b)), el('div', { class: 'row', role: 'group', 'aria-label': 'Way to compare' }, buttons), stage, under);
}
