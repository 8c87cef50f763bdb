import type { LoginsView } from '../../wire.ts';
import { get, keepToken, post } from '../api.ts';
import { fill, h } from '../dom.ts';
import { showProblem } from './parts.ts';

/** Shown before a login and after the end of a session. */
export function signedOut(message: string): HTMLElement {
  const logins = h('div', { class: 'logins' });
  get<LoginsView>('logins').then(
    ({ link, token }) => fill(logins, link && linkLogin(), token && tokenLogin()),
    (thrown) => showProblem(logins, thrown, () => location.reload()),
  );
  return h(
    'div',
    { class: 'signed-out' },
    h('img', { attrs: { src: './icon.svg', alt: '', width: 48, height: 48 } }),
    h('h1', {}, 'proxmox-mcp console'),
    h('p', { class: 'strong' }, message),
    h('p', {}, 'A human approves or denies the requests of agents here.'),
    logins,
  );
}

function linkLogin(): HTMLElement {
  return h(
    'section',
    {},
    h('p', {}, 'Log in with a one-time link. Your own terminal prints it:'),
    h('pre', { attrs: { tabindex: 0 } }, 'proxmox-mcp console'),
    h('p', { class: 'soft' }, 'The link works once and for one minute. If the command runs already, press Enter there for a new link.'),
  );
}

function tokenLogin(): HTMLElement {
  const token = h('input', { id: 'token', attrs: { type: 'password', autocomplete: 'off', required: true } });
  const passphrase = h('input', { id: 'passphrase', attrs: { type: 'password', autocomplete: 'current-password', required: true } });
  const message = h('div');
  const button = h('button', { class: 'primary', attrs: { type: 'submit' } }, 'Log in');
  const form = h(
    'form',
    {},
    h('label', { attrs: { for: 'token' } }, 'Access token of an approver'),
    token,
    h('label', { attrs: { for: 'passphrase' } }, 'Passphrase'),
    passphrase,
    button,
    message,
  );
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    button.disabled = true;
    post<{ token: string }>('login/token', { token: token.value.trim(), passphrase: passphrase.value }).then(
      (answer) => {
        keepToken(answer.token);
        location.reload();
      },
      (thrown) => {
        button.disabled = false;
        showProblem(message, thrown);
      },
    );
  });
  return form;
}
