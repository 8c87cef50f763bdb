import type { ApprovalView } from '../../../wire.ts';
import { h, words } from '../../dom.ts';
import { countdown, shortTime } from '../../format.ts';
import { now } from '../../state.ts';
import { claimedName, effectBadge, effectTone, statusBadge } from '../parts.ts';

/** One approval of a list: what, by whom, and the time left. */
export function card(a: ApprovalView, route: string, current: boolean): HTMLElement {
  const claimed = claimedName(a.askedBy);
  const at = a.decided?.at ?? a.createdAt;
  return h(
    'a',
    { class: `card ${effectTone(a.effect)}`, attrs: { href: `#/${route}/${a.id}`, 'aria-current': current && 'true' } },
    h(
      'span',
      { class: 'top' },
      effectBadge(a.effect),
      a.status === 'pending'
        ? h(
            'span',
            { class: 'soft number', attrs: { title: 'time left to decide' } },
            h('span', { attrs: { 'data-until': a.expiresAt } }, countdown(a.expiresAt, now())),
            ' left',
          )
        : statusBadge(a.status),
    ),
    h('span', { class: 'what' }, words(a.summary)),
    h(
      'span',
      { class: 'soft who' },
      words(a.askedBy.person, 'strong'),
      ', ',
      h('time', { attrs: { datetime: at } }, shortTime(at, now())),
      // Any client may take any name, so it stands apart from who was authenticated.
      claimed !== undefined && h('span', { class: 'claimed' }, 'client ', words(claimed)),
    ),
  );
}
