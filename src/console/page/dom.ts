// Elements are created here and nowhere else, and text only ever becomes a text node: nothing that a guest or an agent wrote can become markup.

export type Child = Node | string | number | undefined | false | Child[];

interface Props {
  class?: string;
  id?: string;
  /** Attributes by name; `true` is an empty one, `false` and undefined leave it out. */
  attrs?: Record<string, string | number | boolean | undefined>;
  on?: Record<string, (event: Event) => void>;
}

export function h<K extends keyof HTMLElementTagNameMap>(tag: K, props: Props = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (props.class) element.className = props.class;
  if (props.id) element.id = props.id;
  for (const [name, value] of Object.entries(props.attrs ?? {})) {
    if (value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? '' : String(value));
  }
  for (const [name, listener] of Object.entries(props.on ?? {})) element.addEventListener(name, listener);
  add(element, children);
  return element;
}

/** A drawing; its attributes are numbers and words of this page only. */
export function svg(tag: 'svg' | 'polyline', attrs: Record<string, string>, ...children: Element[]): SVGElement {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attrs)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function add(parent: Element, children: Child[]): void {
  for (const child of children) {
    if (child === undefined || child === false) continue;
    if (Array.isArray(child)) add(parent, child);
    else parent.append(typeof child === 'number' ? String(child) : child);
  }
}

/** Replaces what is inside. */
export function fill(parent: Element, ...children: Child[]): void {
  parent.replaceChildren();
  add(parent, children);
}

/** Words that came from elsewhere: isolated, so that their writing direction ends where they do. */
export function words(text: string, className = ''): HTMLElement {
  return h('bdi', { class: className }, text);
}

export function byId(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page lacks #${id}`);
  return element;
}

/** Announces a text to screen readers, once. */
export function announce(text: string): void {
  byId('announcer').textContent = text;
}
