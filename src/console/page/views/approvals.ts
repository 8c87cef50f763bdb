import type { ApprovalView } from '../../wire.ts';
import { byId, type Child, fill, h, words } from '../dom.ts';
import { countdown, shortTime } from '../format.ts';
import { find, now, onChange, state } from '../state.ts';
import { approvalDetail } from './detail.ts';
import { effectBadge, effectTone, emptyState, loading, problemBox, statusBadge } from './parts.ts';
import type { View } from './view.ts';

interface ListOptions {
  route: 'pending' | 'history';
  title: string;
  rows: () => ApprovalView[];
  empty: () => Child;
  foot?: Child;
}

/** A list of approvals and, beside it, the one that is read. Nothing that arrives ever moves what is being read. */
export function approvalsView({ route, title, rows, empty, foot }: ListOptions): View {
  const list = h('ul', { class: 'cards' });
  const side = h('div', { class: 'side' }, h('h1', {}, title), list, foot !== undefined && h('p', { class: 'soft foot' }, foot));
  const reading = h('div', { class: 'reading' });
  const element = h('div', { class: 'approvals' }, side, reading);
  let asked: string | undefined;
  let shown: { id: string; state: string } | undefined;
  let listed = '';

  function draw(): void {
    const all = rows();
    // The open approval stays when it is decided elsewhere; on a phone the list comes first.
    const id = asked ?? shown?.id ?? all[0]?.id;
    element.classList.toggle('opened', asked !== undefined);
    element.classList.toggle('nothing', all.length === 0 && id === undefined);
    drawList(all, id);
    drawReading(id, all.length === 0);
  }

  function drawList(all: ApprovalView[], current: string | undefined): void {
    const key = JSON.stringify([current, all.map((a) => [a.id, a.status])]);
    if (key === listed) return;
    listed = key;
    const focused = document.activeElement?.getAttribute('href');
    fill(list, ...all.map((a) => h('li', {}, card(a, route, a.id === current))));
    if (focused) for (const link of list.querySelectorAll('a')) if (link.getAttribute('href') === focused) link.focus();
  }

  function drawReading(id: string | undefined, nothing: boolean): void {
    const a = id === undefined ? undefined : find(id);
    if (!a) {
      shown = undefined;
      if (!state.live) fill(reading, state.problem ? problemBox(state.problem) : loading(6));
      else if (asked !== undefined)
        fill(
          reading,
          back(),
          emptyState('This approval is not among the newest ones.', h('p', {}, 'Its decision and outcome are in the audit.')),
        );
      else if (nothing) fill(reading, empty());
      return;
    }
    if (shown?.id === a.id && shown.state === stateOf(a)) return;
    const decidedHere = shown?.id === a.id;
    const hadFocus = decidedHere && reading.contains(document.activeElement);
    shown = { id: a.id, state: stateOf(a) };
    fill(reading, back(), approvalDetail(a));
    if (hadFocus) byId('detail-title').focus({ preventScroll: true });
    if (decidedHere) reading.scrollIntoView({ block: 'start' });
  }

  function back(): HTMLElement {
    return h('a', { class: 'back', attrs: { href: `#/${route}` } }, '‹ All');
  }

  onChange(() => {
    if (element.isConnected) draw();
  });
  return {
    element,
    show(param) {
      const moved = asked !== param;
      asked = param;
      if (moved && param !== undefined) shown = undefined;
      draw();
      if (moved && param !== undefined && matchMedia('(max-width: 56rem)').matches) window.scrollTo(0, 0);
    },
  };
}

/** The fields whose change redraws the view; the rest of an approval is frozen. */
function stateOf(a: ApprovalView): string {
  return `${a.status} ${a.agreedBy.length}`;
}

function card(a: ApprovalView, route: string, current: boolean): HTMLElement {
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
            { class: 'soft number', attrs: { 'data-until': a.expiresAt, title: 'time left to decide' } },
            countdown(a.expiresAt, now()),
          )
        : statusBadge(a.status),
    ),
    h('span', { class: 'what' }, words(a.summary)),
    h(
      'span',
      { class: 'soft who' },
      // The client's name is its own claim; its owner was authenticated.
      words(a.askedBy.principal),
      a.askedBy.client !== undefined && [' (', words(a.askedBy.client), ')'],
      ` over ${a.askedBy.channel}, `,
      h('time', { attrs: { datetime: a.createdAt } }, shortTime(a.decided?.at ?? a.createdAt, now())),
    ),
  );
}
