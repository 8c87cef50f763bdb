import { h } from '../dom.ts';

/** Shown before a login and after the end of a session. */
export function signedOut(message: string): HTMLElement {
  return h(
    'div',
    { class: 'door' },
    h('img', { attrs: { src: './icon.svg', alt: '', width: 48, height: 48 } }),
    h('h1', {}, message),
    h('p', {}, 'Here a human decides what an agent may do. The way in is a link that is shown once, on your own terminal:'),
    h('pre', { attrs: { tabindex: 0 } }, 'proxmox-mcp console'),
    h('p', { class: 'soft' }, 'It works once and for one minute. Where the command runs already, press Enter for a new one.'),
  );
}
