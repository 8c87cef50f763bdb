import { post } from '../../api.ts';
import { announce, fill, h, words } from '../../dom.ts';
import { state } from '../../state.ts';
import { button, showProblem } from '../parts.ts';

/** Denies every pending request of one requester, after a second press. */
export function denyAll(principal: string, asker: string): HTMLElement {
  const box = h('div', { class: 'deny-all' });

  function ask(): void {
    const reason = h('input', {
      attrs: { type: 'text', maxlength: 300, autocomplete: 'off', 'aria-label': 'Reason (optional)', placeholder: 'reason (optional)' },
    });
    const yes = button('Deny them all', 'secondary', () => {
      yes.disabled = true;
      no.disabled = true;
      void send(reason.value);
    });
    const no = button('Keep', 'quiet', reset);
    fill(
      box,
      h('p', {}, 'This denies every pending request of ', words(asker, 'strong'), ', including those not shown.'),
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
      showProblem(box, thrown, reset);
    }
  }

  function reset(): void {
    const open = button('Deny all…', 'link', () => {
      if (state.connection === 'live') ask();
    });
    open.setAttribute('aria-label', `Deny all of ${asker}`);
    fill(box, open);
  }

  reset();
  return box;
}
