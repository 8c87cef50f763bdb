import type { ApprovalStatus, ApprovalView, Effect, Problem } from '../../wire.ts';
import { asApiError } from '../api.ts';
import { type Child, fill, h, words } from '../dom.ts';

const EFFECTS: Record<Effect, { word: string; tone: string }> = {
  read: { word: 'reads', tone: 'calm' },
  change: { word: 'changes', tone: 'info' },
  disrupt: { word: 'interrupts', tone: 'warn' },
  destroy: { word: 'destroys', tone: 'bad' },
};

const STATUSES: Record<ApprovalStatus, { word: string; tone: string }> = {
  pending: { word: 'waiting for you', tone: 'info' },
  executing: { word: 'running', tone: 'info' },
  succeeded: { word: 'done', tone: 'good' },
  failed: { word: 'failed', tone: 'bad' },
  unknown: { word: 'outcome unknown', tone: 'warn' },
  denied: { word: 'denied', tone: 'calm' },
  expired: { word: 'expired', tone: 'calm' },
  stale: { word: 'out of date', tone: 'warn' },
};

/** State is always a word; its colour only repeats it. */
export function badge(word: string, tone: string): HTMLElement {
  return h('span', { class: `badge ${tone}` }, word);
}

export function effectBadge(effect: Effect): HTMLElement {
  const { word, tone } = EFFECTS[effect];
  return badge(word, tone);
}

export function effectTone(effect: Effect): string {
  return EFFECTS[effect].tone;
}

export function statusBadge(status: ApprovalStatus): HTMLElement {
  const { word, tone } = STATUSES[status];
  return badge(word, tone);
}

/** The name that the client gave itself, which may be any. */
export function claimedName({ client }: ApprovalView['askedBy']): string | undefined {
  return client === undefined ? undefined : `calls itself “${client}”, unverified`;
}

/** A part of an approval under its heading. */
export function section(title: string, className: string, ...children: Child[]): HTMLElement {
  return h('section', { class: className }, h('h3', {}, title), ...children);
}

/** @param click absent for a button whose listener is added later */
export function button(text: Child, className: string, click?: () => void): HTMLButtonElement {
  return h('button', { class: className, attrs: { type: 'button' }, ...(click && { on: { click } }) }, text);
}

/** Makes a button show and hide an element. */
export function toggles(control: HTMLElement, target: HTMLElement, shown: () => void = () => {}): void {
  const mark = () => control.setAttribute('aria-expanded', String(!target.hidden));
  target.hidden = true;
  mark();
  control.addEventListener('click', () => {
    target.hidden = !target.hidden;
    mark();
    if (!target.hidden) shown();
  });
}

export function tableHead(titles: readonly string[]): HTMLElement {
  return h('thead', {}, h('tr', {}, ...titles.map((title) => h('th', { attrs: { scope: 'col' } }, title))));
}

/** Texts as a list. */
export function texts(list: readonly string[], className = ''): HTMLElement {
  return h(
    'ul',
    {},
    list.map((text) => h('li', { class: className }, words(text))),
  );
}

/** Names and their values. */
export function terms(list: readonly (readonly [name: string, value: string])[], className = '', valueClass = ''): HTMLElement {
  return h(
    'dl',
    { class: className },
    list.map(([name, value]) => h('div', {}, h('dt', {}, words(name)), h('dd', { class: valueClass }, words(value)))),
  );
}

/** The commands and calls of a text, which stand between backticks, as code. */
function withCode(text: string): Child[] {
  return text.split('`').map((part, index) => (index % 2 === 1 ? h('code', {}, words(part)) : words(part)));
}

/** A problem, its next step, and a retry. */
export function problemBox({ message, hint }: Pick<Problem, 'message' | 'hint'>, retry?: () => void): HTMLElement {
  return h(
    'div',
    { class: 'notice bad', attrs: { role: 'alert' } },
    h('p', { class: 'strong' }, withCode(message)),
    hint !== '' && h('p', {}, withCode(hint)),
    retry && button('Try again', 'quiet', retry),
  );
}

/** Fills an element with the problem that was thrown. */
export function showProblem(parent: Element, thrown: unknown, retry?: () => void): void {
  fill(parent, problemBox(asApiError(thrown), retry));
}

/** The text of an empty list. */
export function emptyState(title: string, ...text: Child[]): HTMLElement {
  return h('div', { class: 'empty' }, h('p', { class: 'title' }, title), ...text);
}

/** A placeholder while data loads. Screen readers skip it, because it lasts a moment only. */
export function loading(lines = 4): HTMLElement {
  return h(
    'div',
    { class: 'loading', attrs: { 'aria-hidden': true } },
    Array.from({ length: lines }, () => h('div', { class: 'bone' })),
  );
}
