import type { ApprovalView } from '../../../wire.ts';
import { byId, type Child, fill, h } from '../../dom.ts';
import { find, onChange, state } from '../../state.ts';
import { approvalDetail } from '../detail.ts';
import { lookUp } from '../look-up.ts';
import { emptyState, loading, problemBox } from '../parts.ts';
import type { View } from '../view.ts';
import { approvalList } from './list.ts';

interface ListOptions {
  route: 'pending' | 'history';
  title: string;
  rows: () => ApprovalView[];
  empty: () => Child;
  /** Says what the list leaves out; empty when it holds all. */
  foot: () => string;
}

/** A list of approvals and, beside it, the one that is read. Nothing that arrives ever moves what is being read. */
export function approvalsView({ route, title, rows, empty, foot }: ListOptions): View {
  const list = approvalList(route, draw);
  const rest = h('p', { class: 'soft foot' });
  const side = h('div', { class: 'side' }, h('h1', {}, title), ...list.elements, rest);
  const reading = h('div', { class: 'reading' });
  const element = h('div', { class: 'approvals' }, side, reading);
  let asked: string | undefined;
  let shown: { id: string; state: string } | undefined;

  function draw(): void {
    const all = rows();
    // The open approval stays when it is decided elsewhere; on a phone the list comes first.
    const id = asked ?? shown?.id ?? all[0]?.id;
    element.classList.toggle('opened', asked !== undefined);
    element.classList.toggle('nothing', all.length === 0 && id === undefined);
    list.draw(all, id);
    rest.textContent = foot();
    drawReading(id);
  }

  function drawReading(id: string | undefined): void {
    const a = id === undefined ? undefined : (find(id) ?? lookUp(id, draw));
    if (!state.live) {
      shown = undefined;
      fill(reading, state.problem ? problemBox(state.problem) : loading(6));
    } else if (id === undefined) fill(reading, empty());
    else if (a === undefined) fill(reading, loading(6));
    else if (a === 'unknown') {
      shown = undefined;
      fill(
        reading,
        back(),
        emptyState('This approval does not exist.', h('p', {}, 'If it is an old one, the audit holds its decision and outcome.')),
      );
    } else drawApproval(a);
  }

  function drawApproval(a: ApprovalView): void {
    if (shown?.id === a.id && shown.state === stateOf(a)) return;
    const decidedHere = shown?.id === a.id;
    const hadFocus = decidedHere && reading.contains(document.activeElement);
    shown = { id: a.id, state: stateOf(a) };
    fill(reading, back(), approvalDetail(a));
    if (hadFocus) focusTitle();
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
      const moved = asked !== param && param !== undefined;
      asked = param;
      if (moved) shown = undefined;
      draw();
      if (!moved) return;
      if (matchMedia('(max-width: 56rem)').matches) window.scrollTo(0, 0);
      else if (reading.getBoundingClientRect().top < 0) reading.scrollIntoView({ block: 'start' });
      // From there the next stop of the Tab key is the decision, not the other cards.
      if (shown) focusTitle();
    },
  };
}

function focusTitle(): void {
  byId('detail-title').focus({ preventScroll: true });
}

/** The fields whose change redraws the view; the rest of an approval is frozen. */
function stateOf(a: ApprovalView): string {
  return `${a.status} ${a.agreedBy.length}`;
}
