import type { ApprovalView } from '../../../wire.ts';
import { post } from '../../api.ts';
import { announce, fill, h, words } from '../../dom.ts';
import { countdown } from '../../format.ts';
import { now, onChange, state } from '../../state.ts';
import { button, showProblem, toggles } from '../parts.ts';

/** The decision: approve by typing the guest's name, or deny with an optional reason. It is not a form, so that the Enter key sends nothing. */
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
  const yes = button(
    'Approve and run',
    `primary ${a.effect === 'destroy' ? 'bad' : ''}`,
    () =>
      void send(
        `approvals/${a.id}/approve`,
        { typed: field.value.trim(), passphrase: passphrase?.value ?? '' },
        'Approved. The plan is running.',
      ),
  );
  const no = button('Deny…', 'quiet');
  no.setAttribute('aria-controls', 'deny');
  const denyBox = h('div', { id: 'deny', class: 'deny' });
  let sending = false;

  const refresh = () => {
    const live = state.connection === 'live';
    yes.disabled = sending || !live || field.value.trim() !== a.mustType || passphrase?.value === '';
    no.disabled = sending || !live;
    for (const button of denyBox.querySelectorAll('button')) button.disabled = sending || !live;
  };

  const say = (text: string) => {
    announce(text);
    fill(message, h('p', { class: 'soft' }, text));
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
      say(text);
    } catch (thrown) {
      sending = false;
      showProblem(message, thrown);
      refresh();
    }
  }

  for (const input of [field, passphrase]) input?.addEventListener('input', refresh);
  const onEnter = (event: KeyboardEvent) => {
    if (event.key !== 'Enter') return;
    event.preventDefault();
    say(yes.disabled ? 'This is not the text to type. Nothing was approved.' : 'Enter does not approve. Use the button.');
  };
  for (const input of [field, passphrase]) input?.addEventListener('keydown', onEnter);
  denyBox.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || !(event.target instanceof HTMLInputElement)) return;
    event.preventDefault();
    say('Enter does not deny. Use the button.');
  });
  // The text there is about the other button.
  no.addEventListener('click', () => fill(message));
  toggles(no, denyBox, () => denyBox.querySelector('input')?.focus());
  fill(
    denyBox,
    denyForm((reason) => void send(`approvals/${a.id}/deny`, { reason }, 'Denied. Nothing was sent.')),
  );

  const element = h(
    'section',
    { class: `decide ${a.effect === 'destroy' ? 'bad' : ''}`, attrs: { 'aria-labelledby': 'decide-title' } },
    h(
      'div',
      { class: 'title' },
      h('h3', { id: 'decide-title', attrs: { tabindex: -1 } }, 'Your decision'),
      h('span', { class: 'soft number' }, h('span', { attrs: { 'data-until': a.expiresAt } }, countdown(a.expiresAt, now())), ' left'),
    ),
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
            `To approve${a.ofCluster === undefined ? '' : ` on ${a.ofCluster}`}, type `,
            a.guests.length > 1 && 'their number and the first name: ',
            h('code', { class: 'must' }, words(a.mustType)),
          ),
          passphrase
            ? [
                h('div', { class: 'row' }, field),
                h('label', { attrs: { for: 'passphrase' } }, 'and your passphrase'),
                h('div', { class: 'row' }, passphrase, yes, no),
              ]
            : h('div', { class: 'row' }, field, yes, no),
        ],
    a.mustType === undefined && h('div', { class: 'row' }, no),
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
  const yes = button('Deny it', 'secondary', () => deny(reason.value));
  return [h('label', { attrs: { for: 'reason' } }, 'Reason (optional). The agent reads it.'), h('div', { class: 'row' }, reason, yes)];
}
