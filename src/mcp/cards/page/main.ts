import { approvalCard, fields, text } from './approval.ts';
import { h, words } from './dom.ts';
import { type Guests, guestTable } from './guests.ts';
import { connect, type Host } from './host.ts';

// One document for all cards. The answer of the tool decides which card it shows.

connect({
  onResult: (result, host) => show(fields(result.structuredContent), host),
  onCancelled: () => document.body.replaceChildren(h('article', 'card', h('p', 'soft', 'The call was cancelled.'))),
});

function show(answer: Record<string, unknown>, host: Host): void {
  const demo = answer.simulator === true && h('p', 'demo', 'Simulator: not a real cluster');
  document.body.replaceChildren(...[demo, cardOf(answer, host)].filter((part) => part !== false));
}

function cardOf(answer: Record<string, unknown>, host: Host): HTMLElement {
  if (answer.approval_required === true || answer.dry_run === true) return approvalCard(answer, host);
  if (isTable(answer)) return guestTable(answer);
  const { code, message } = fields(answer.error);
  if (typeof message === 'string') return h('article', 'card destroy', h('p', 'kind', words(text(code))), h('p', '', words(message)));
  const said = [text(answer.summary), text(answer.notice), text(answer.progress)].filter(Boolean);
  const state = text(answer.status) || 'done';
  return h('article', 'card', h('p', 'kind', words(state)), ...said.map((one) => h('p', '', words(one))));
}

function isTable(answer: object): answer is Guests {
  const { columns, rows } = answer as Partial<Guests>;
  return Array.isArray(columns) && Array.isArray(rows) && rows.every(Array.isArray);
}
