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
