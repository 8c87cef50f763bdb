// Elements are created here and nowhere else, and text only ever becomes a text node: no name of a guest can become markup.

export type Child = Node | string | undefined | false;

export function h<K extends keyof HTMLElementTagNameMap>(tag: K, className: string, ...children: Child[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (className) element.className = className;
  for (const child of children) if (child !== undefined && child !== false) element.append(child);
  return element;
}

// The server removes these characters too. A card does not depend on it, nor on the hosts between them.
const UNSEEN = /[\p{C}\p{Zl}\p{Zp}]/gu;

/** Text from elsewhere, without characters that turn or hide text, and isolated, so that its writing direction ends with it. */
export function words(text: string): HTMLElement {
  return h('bdi', '', text.replaceAll(UNSEEN, ''));
}

export function button(label: string, className: string, onClick: () => void): HTMLButtonElement {
  const element = h('button', className, label);
  element.type = 'button';
  element.addEventListener('click', onClick);
  return element;
}

/** A wide table scrolls inside of the card, by the keyboard too. */
export function scrolling(table: HTMLTableElement): HTMLElement {
  const box = h('div', 'scroll', table);
  box.tabIndex = 0;
  return box;
}
