// el makes an element. Children are nodes or text; text is never read as HTML.
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, '');
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child != null));
  return node;
}

export function svg(tag, attributes, ...children) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// field is a labelled control.
export function field(text, control) {
  return el('label', {}, text, control);
}

// words describes a requirement.
export function words(r) {
  const thing = [r.color, r.object].filter(Boolean).join(' ');
  const target = [r.target_color, r.target].filter(Boolean).join(' ');
  switch (r.kind) {
    case 'exactly': return `${thing}: ${r.count}`;
    case 'at_least': return `${thing}: at least ${r.count}`;
    case 'at_most': return `${thing}: at most ${r.count}`;
    case 'absent': return `no ${thing}`;
    case 'position':
    case 'interaction': return `${thing} ${r.relation} ${target}`;
    case 'color': return `${r.object}: ${r.color}`;
    case 'text': return `text “${r.value}”`;
    default: return [thing, r.value].filter(Boolean).join(': ');
  }
}

export const verdicts = { met: 'met', not_met: 'not met', unsure: 'not judged' };

// counted is a number with its noun.
export function counted(n, noun, many = noun + 's') {
  return `${n} ${n === 1 ? noun : many}`;
}

// lasting is a time in words.
export function lasting(seconds) {
  if (seconds < 0.1) return 'under 0.1 s';
  if (seconds < 90) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

// chip shows a finding.
export function chip(f) {
  return el('li', { class: `chip ${f.verdict}` }, `${words(f.requirement)} · ${verdicts[f.verdict] ?? f.verdict}`);
}

// star is the button that makes a job a favourite.
export function star(on, of, change) {
  const button = el('button', { type: 'button', class: 'star', title: 'Favourite', 'aria-label': `Favourite: ${of}` });
  const set = (yes) => {
    on = yes;
    button.setAttribute('aria-pressed', String(on));
    button.textContent = on ? '★' : '☆';
  };
  set(Boolean(on));
  button.addEventListener('click', async () => {
    const before = on;
    set(!on);
    try { await change(on); } catch { set(before); }
  });
  return button;
}

// dialog opens a dialog, which leaves the page when it is closed. Tab stays in it, and the
// focus returns to where it was.
export function dialog(label, ...children) {
  const from = document.activeElement;
  const node = el('dialog', { 'aria-label': label }, ...children);
  node.addEventListener('close', () => {
    node.remove();
    if (from?.isConnected) from.focus();
  });
  node.addEventListener('keydown', (e) => {
    if (e.key !== 'Tab') return;
    const stops = [...node.querySelectorAll('a[href], button, input, select, textarea')].filter((stop) => stop.checkVisibility() && !stop.disabled);
    const [last, next] = e.shiftKey ? [stops[0], stops.at(-1)] : [stops.at(-1), stops[0]];
    if (document.activeElement !== last) return;
    e.preventDefault();
    next.focus();
  });
  document.body.append(node);
  node.showModal();
  return node;
}

// sends lets Ctrl and Enter send the form of a text of several lines.
export function sends(text) {
  text.addEventListener('keydown', (e) => {
    if (e.key !== 'Enter' || !(e.ctrlKey || e.metaKey)) return;
    e.preventDefault();
    text.form.requestSubmit();
  });
  return text;
}

// confirmed asks before something that cannot be undone.
export function confirmed(question, action) {
  return new Promise((done) => {
    const node = dialog(question, el('h2', {}, question), el('form', { method: 'dialog', class: 'row' },
      el('button', { class: 'danger', value: 'yes' }, action), el('button', { value: 'no', autofocus: true }, 'Keep')));
    node.classList.add('small');
    node.addEventListener('close', () => done(node.returnValue === 'yes'));
  });
}
