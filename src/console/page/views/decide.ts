import type { ApprovalView } from '../../wire.ts';
import { asApiError, post } from '../api.ts';
import { announce, fill, h, words } from '../dom.ts';
import { onChange, state } from '../state.ts';
import { problemBox } from './parts.ts';

/**
 * The decision: approve by typing the guest's name, or deny with an optional reason. It is not a form: the Enter key in the field sends nothing, the button
 * must be chosen.
 */
export function decision(a: ApprovalView): HTMLElement {
  const message = h('div', { class: 'message' });
  const field = h('input', {
    id: 'typed',
    attrs: {
      type: 'text',
      autocomplete: 'off',
      autocapitalize: 'off',
      spellcheck: 'false',
      'aria-describedby': 'typed-help',
      maxlength: 400,
    },
  });
  const passphrase = state.session?.needsPassphrase
    ? h('input', { id: 'passphrase', attrs: { type: 'password', autocomplete: 'off', maxlength: 400 } })
    : undefined;
  const yes = h('button', { class: `primary ${a.effect === 'destroy' ? 'bad' : ''}`, attrs: { type: 'button' } }, 'Approve and run');
  const no = h('button', { class: 'quiet', attrs: { type: 'button', 'aria-expanded': 'false', 'aria-controls': 'deny' } }, 'Deny…');
  const denyBox = h('div', { id: 'deny', class: 'deny', attrs: { hidden: true } });
  let sending = false;

  const refresh = () => {
    const live = state.connection === 'live';
    yes.disabled = sending || !live || field.value.trim() !== a.mustType || passphrase?.value === '';
    no.disabled = sending || !live;
    for (const button of denyBox.querySelectorAll('button')) button.disabled = sending || !live;
  };

  async function send(path: string, body: Record<string, string>, said: string): Promise<void> {
    if (sending) return;
    sending = true;
    fill(message);
    refresh();
    try {
      const { status } = await post<{ status: string }>(path, body);
      // The live stream redraws this with how it continues.
      const text = status === 'approval_required' ? 'Your approval is recorded. The plan runs after the other approvers agree.' : said;
      announce(text);
      fill(message, h('p', { class: 'soft' }, text));
    } catch (thrown) {
      sending = false;
      fill(message, problemBox(asApiError(thrown)));
      refresh();
    }
  }

  for (const input of [field, passphrase]) input?.addEventListener('input', refresh);
  const onEnter = (event: KeyboardEvent) => {
    if (event.key !== 'Enter') return;
    event.preventDefault();
    fill(message, h('p', { class: 'soft' }, yes.disabled ? 'The text does not match.' : 'Enter does not approve. Use the button.'));
    announce(message.textContent ?? '');
  };
  for (const input of [field, passphrase]) input?.addEventListener('keydown', onEnter);
  yes.addEventListener(
    'click',
    () =>
      void send(
        `approvals/${a.id}/approve`,
        { typed: field.value.trim(), passphrase: passphrase?.value ?? '' },
        'Approved. The plan is running.',
      ),
  );
  no.addEventListener('click', () => {
    denyBox.hidden = !denyBox.hidden;
    no.setAttribute('aria-expanded', String(!denyBox.hidden));
    if (!denyBox.hidden) denyBox.querySelector('input')?.focus();
  });
  fill(
    denyBox,
    denyForm((reason) => void send(`approvals/${a.id}/deny`, { reason }, 'Denied. Nothing was sent.')),
  );

  const element = h(
    'section',
    { class: `decide ${a.effect === 'destroy' ? 'bad' : ''}`, attrs: { 'aria-labelledby': 'decide-title' } },
    h('h3', { id: 'decide-title' }, 'Your decision'),
    a.needed > 1 &&
      h(
        'p',
        {},
        `${a.needed} people must approve. `,
        a.agreedBy.length > 0 ? ['So far: ', words(a.agreedBy.join(', ')), '.'] : 'No approval so far.',
      ),
    a.mustType === undefined
      ? h(
          'p',
          { class: 'notice warn' },
          'The name of this guest contains characters that cannot be seen or typed. Deny the request, or rename the guest in Proxmox first.',
        )
      : [
          h(
            'label',
            { id: 'typed-help', attrs: { for: 'typed' } },
            a.guests.length > 1 ? 'To approve, type their number and the first name: ' : 'To approve, type ',
            h('code', { class: 'must' }, words(a.mustType)),
          ),
          passphrase
            ? [
                h('div', { class: 'row' }, field),
                h('label', { attrs: { for: 'passphrase' } }, 'and your passphrase'),
                h('div', { class: 'row' }, passphrase, yes),
              ]
            : h('div', { class: 'row' }, field, yes),
        ],
    h('div', { class: 'row' }, no),
    denyBox,
    message,
  );
  onChange(() => {
    if (element.isConnected) refresh();
  });
  refresh();
  return element;
}

function denyForm(deny: (reason: string) => void): HTMLElement[] {
  const reason = h('input', { id: 'reason', attrs: { type: 'text', maxlength: 300, autocomplete: 'off' } });
  const button = h('button', { class: 'secondary', attrs: { type: 'button' }, on: { click: () => deny(reason.value) } }, 'Deny it');
  return [h('label', { attrs: { for: 'reason' } }, 'Reason (optional). The agent reads it.'), h('div', { class: 'row' }, reason, button)];
}
