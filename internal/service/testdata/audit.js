// Returns what is wrong with the page for those who use a keyboard, a screen reader or little
// contrast, as texts. It needs nothing but the page.
(() => {
  const faults = [];
  const scope = document.querySelector('dialog[open]') ?? document;
  const say = (what, node) => faults.push(`${what}: ${(node.outerHTML ?? '').slice(0, 120)}`);
  const visible = (node) => node.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true }) && node.getBoundingClientRect().width > 0;
  const name = (node) => {
    if (node.getAttribute('aria-label')) return node.getAttribute('aria-label').trim();
    const by = node.getAttribute('aria-labelledby');
    if (by) return by.split(' ').map((id) => document.getElementById(id)?.textContent ?? '').join(' ').trim();
    if (node.labels?.length) return [...node.labels].map((label) => label.textContent).join(' ').trim();
    if (node.matches('input, select, textarea')) return '';
    return (node.textContent + [...node.querySelectorAll('img')].map((img) => img.alt).join(' ')).trim();
  };

  // Names and sizes of what can be used.
  for (const node of scope.querySelectorAll('a[href], button, input, select, textarea, summary, progress, dialog')) {
    if (!visible(node) && !node.matches('.skip')) continue;
    if (!name(node)) say('no name', node);
    const box = node.getBoundingClientRect();
    if (node.matches('button, input, select, summary') && !node.matches('[type=range]') && box.height < 24) say(`only ${box.height} pixels high`, node);
  }
  for (const node of scope.querySelectorAll('img')) if (!node.hasAttribute('alt')) say('no alternative text', node);
  for (const node of scope.querySelectorAll('[tabindex]')) if (node.tabIndex > 0) say('an order of its own', node);

  // Landmarks, headings and identifiers.
  if (document.querySelectorAll('main').length !== 1) say('not one main', document.body);
  for (const nav of document.querySelectorAll('nav')) if (!name(nav)) say('no name', nav);
  if (document.documentElement.lang !== 'en') say('no language', document.documentElement);
  if (!document.title) say('no title', document.head);
  if (document.querySelectorAll('main h1').length !== 1) say('not one h1', document.querySelector('main'));
  let level = scope === document ? 0 : 1;
  for (const heading of scope.querySelectorAll('h1, h2, h3, h4')) {
    if (!visible(heading)) continue;
    const next = Number(heading.tagName[1]);
    if (next > level + 1) say(`a heading of level ${next} after ${level}`, heading);
    level = next;
  }
  const ids = [...document.querySelectorAll('[id]')].map((node) => node.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) faults.push(`the identifier ${id} is there twice`);
  for (const list of scope.querySelectorAll('ul')) for (const child of list.children) if (child.tagName !== 'LI') say('not an item of a list', child);

  // Contrast of texts (WCAG 2.2, 1.4.3).
  const parse = (text) => {
    const parts = text.match(/[\d.]+/g).map(Number);
    return { rgb: parts.slice(0, 3), alpha: parts[3] ?? 1 };
  };
  const luminance = (rgb) => rgb.map((v) => v / 255).map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const { rgb, alpha } = parse(getComputedStyle(at).backgroundColor);
      if (alpha === 1) return rgb;
    }
    return [255, 255, 255];
  };
  const texts = document.createTreeWalker(scope === document ? document.body : scope, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode.parentElement;
    if (!texts.currentNode.textContent.trim() || !visible(node) || node.closest('.skip, script, :disabled, [aria-hidden=true]')) continue;
    const style = getComputedStyle(node);
    const [light, dark] = [luminance(parse(style.color).rgb), luminance(behind(node))].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    const size = parseFloat(style.fontSize);
    const least = size >= 24 || size >= 18.66 && Number(style.fontWeight) >= 700 ? 3 : 4.5;
    if (ratio < least) say(`contrast ${ratio.toFixed(2)} of “${texts.currentNode.textContent.trim().slice(0, 30)}”`, node);
  }
  return faults;
})();
