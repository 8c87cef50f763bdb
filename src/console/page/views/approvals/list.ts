import type { ApprovalView } from '../../../wire.ts';
import { fill, h, words } from '../../dom.ts';
import { number } from '../../format.ts';
import { button } from '../parts.ts';
import { card } from './card.ts';
import { denyAll } from './deny-all.ts';

/** The cards of a list, which can be searched and grouped by requester. Typed text survives new data. */
export function approvalList(route: 'pending' | 'history', changed: () => void) {
  const find = h('input', {
    id: 'search',
    attrs: {
      type: 'search',
      placeholder: 'guest, VMID, requester…',
      autocomplete: 'off',
      spellcheck: 'false',
      'aria-label': 'Find approvals',
    },
  });
  const group = button('Group by requester', 'quiet', () => {
    group.setAttribute('aria-pressed', String(!isGrouped()));
    changed();
  });
  group.setAttribute('aria-pressed', 'false');
  const tools = h('div', { class: 'tools', attrs: { role: 'search' } }, find, group);
  const found = h('p', { class: 'soft foot', attrs: { role: 'status' } });
  const cards = h('div', { class: 'cards' });
  let listed = '';
  find.addEventListener('input', changed);
  const isGrouped = () => group.getAttribute('aria-pressed') === 'true';

  function draw(all: ApprovalView[], current: string | undefined): void {
    const matching = all.filter((a) => matches(a, find.value));
    const key = JSON.stringify([current, isGrouped(), matching.map((a) => [a.id, a.status])]);
    tools.hidden = all.length < 2;
    found.textContent = find.value.trim() === '' ? '' : `${number(matching.length)} of ${number(all.length)} match.`;
    if (key === listed) return;
    listed = key;
    const focused = document.activeElement?.getAttribute('href');
    fill(cards, isGrouped() ? [...byRequester(matching)].map((rows) => part(rows, current)) : items(matching, current));
    if (focused) for (const link of cards.querySelectorAll('a')) if (link.getAttribute('href') === focused) link.focus();
  }

  function items(rows: ApprovalView[], current: string | undefined): HTMLElement {
    return h('ul', {}, ...rows.map((a) => h('li', {}, card(a, route, a.id === current))));
  }

  function part([asker, rows]: [string, ApprovalView[]], current: string | undefined): HTMLElement {
    const principal = rows[0]?.askedBy.principal ?? '';
    return h(
      'section',
      { class: 'group' },
      h('h2', {}, words(asker), h('span', { class: 'soft' }, ` ${number(rows.length)}`)),
      route === 'pending' && denyAll(principal, asker),
      items(rows, current),
    );
  }

  return { elements: [tools, found, cards], draw };
}

function byRequester(rows: ApprovalView[]): Map<string, ApprovalView[]> {
  const groups = new Map<string, ApprovalView[]>();
  for (const row of rows) groups.set(row.askedBy.person, [...(groups.get(row.askedBy.person) ?? []), row]);
  return groups;
}

/** Whether every word is in what the card, its guests or its reason say. */
function matches(a: ApprovalView, text: string): boolean {
  const said = [
    ...[a.id, a.operation, a.summary, a.effect, a.status, a.reason ?? '', a.note ?? '', a.decided?.by ?? ''],
    ...[a.askedBy.person, a.askedBy.principal, a.askedBy.client ?? ''],
    ...(a.guest ? [a.guest, ...a.guests] : []).map(({ name, vmid, node }) => `${name} ${vmid} ${node}`),
  ];
  const all = said.join('\n').toLowerCase();
  return text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => all.includes(word));
}
