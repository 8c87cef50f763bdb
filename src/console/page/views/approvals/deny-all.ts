import { asApiError, post } from '../../api.ts';
import { announce, fill, h, words } from '../../dom.ts';
import { state } from '../../state.ts';
import { problemBox } from '../parts.ts';

/** Denies everything that one requester asks for at this moment, after a second press. */
export function denyAll(principal: string, asker: string): HTMLElement {
  const box = h('div', { class: 'deny-all' });

  function ask(): void {
    const reason = h('input', {
      attrs: { type: 'text', maxlength: 300, autocomplete: 'off', 'aria-label': 'Reason (optional)', placeholder: 'reason (optional)' },
    });
    const yes = h('button', { class: 'secondary', attrs: { type: 'button' } }, 'Deny them all');
    const no = h('button', { class: 'quiet', attrs: { type: 'button' }, on: { click: reset } }, 'Keep');
    yes.addEventListener('click', () => {
      yes.disabled = true;
      no.disabled = true;
      void send(reason.value);
    });
    fill(
      box,
      h('p', {}, 'Every pending request of ', words(asker, 'strong'), ' is denied, also those not shown.'),
      reason,
      h('div', { class: 'row' }, yes, no),
    );
    reason.focus();
  }

  async function send(reason: string): Promise<void> {
    try {
      const { denied } = await post<{ denied: number }>('approvals/deny-all', { principal, reason });
      announce(`${denied} denied.`);
      fill(box, h('p', { class: 'soft' }, `${denied} denied.`));
    } catch (thrown) {
      fill(box, problemBox(asApiError(thrown), reset));
    }
  }

  function reset(): void {
    const open = h(
      'button',
      {
        class: 'link',
        attrs: { type: 'button', 'aria-label': `Deny all of ${asker}` },
        on: { click: () => state.connection === 'live' && ask() },
      },
      'Deny all…',
    );
    fill(box, open);
  }

  reset();
  return box;
}
