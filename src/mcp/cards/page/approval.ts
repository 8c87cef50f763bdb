import { button, type Child, h, scrolling, words } from './dom.ts';
import type { Host } from './host.ts';

type Fields = Record<string, unknown>;

const EFFECTS: Record<string, string> = { destroy: 'Destroys data', disrupt: 'Interrupts', change: 'Changes' };

/**
 * The plan, and the place where a human decides. A card decides nothing: a click in it could be the agent's.
 * @param asked an answer `approval_required`, or that of a dry-run
 */
export function approvalCard(asked: Fields, host: Host): HTMLElement {
  const plan = fields(asked.plan);
  const id = text(asked.approval_id);
  const effect = text(plan.effect);
  const risks = [
    ...list(plan.warnings),
    ...list(plan.protected).map((guest) => `Protected: ${guest}`),
    ...list(plan.locked).map((guest) => `Locked: ${guest}`),
  ];
  const summary = text(asked.summary) || text(plan.summary) || 'The plan is in the answer that asked for the approval.';
  return h(
    'article',
    `card ${effect === 'destroy' || effect === 'disrupt' ? effect : ''}`,
    h('p', 'kind', id ? 'Approval needed' : 'Dry-run: nothing was done', effect !== '' && h('span', 'effect', EFFECTS[effect] ?? effect)),
    h('h1', '', words(summary)),
    text(plan.raised_because) !== '' && h('p', 'soft', words(text(plan.raised_because))),
    section('Risks', risks.length > 0 && bullets(risks, 'risks')),
    section('What changes', changes(fields(plan.before), fields(plan.after))),
    section('Undo', text(plan.undo) !== '' && h('p', '', words(text(plan.undo)))),
    requests(plan.requests),
    id !== '' && decision(asked, id, host),
  );
}

function section(title: string, content: Child): HTMLElement | false {
  return content instanceof Node && h('section', '', h('h2', '', title), content);
}

function bullets(texts: string[], className: string): HTMLElement {
  return h('ul', className, ...texts.map((one) => h('li', '', words(one))));
}

function changes(before: Fields, after: Fields): HTMLElement | false {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((name) => shown(before[name]) !== shown(after[name]));
  if (names.length === 0) return false;
  const row = (name: string) =>
    h('tr', '', h('th', '', words(name)), h('td', 'old', words(shown(before[name]))), h('td', '', words(shown(after[name]))));
  const head = h('tr', '', h('th', '', ''), h('th', '', 'Now'), h('th', '', 'After'));
  return scrolling(h('table', 'changes', h('thead', '', head), h('tbody', '', ...names.map(row))));
}

function requests(value: unknown): HTMLElement | false {
  const lines = (Array.isArray(value) ? value : [])
    .map((one) => (typeof one === 'string' ? one : text(fields(one).request)))
    .filter(Boolean);
  if (lines.length === 0) return false;
  return h('details', '', h('summary', '', `Exactly these requests (${lines.length})`), bullets(lines, 'requests'));
}

function decision(asked: Fields, id: string, host: Host): HTMLElement {
  const url = consoleUrl(asked.decide_at, id);
  const expires = Date.parse(text(asked.expires_at));
  const left = h('strong', '', '');
  const tick = () => {
    const seconds = Math.ceil((expires - Date.now()) / 1000);
    left.textContent = Number.isNaN(seconds)
      ? 'unknown'
      : seconds > 0
        ? `in ${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
        : 'expired';
    if (seconds > 0) setTimeout(tick, 1000);
  };
  tick();
  return h(
    'footer',
    '',
    h('p', 'soft', words(id), ' · expires ', left),
    url !== undefined && host.opensLinks && button('Open the console', 'open', () => host.openLink(url)),
    url !== undefined && !host.opensLinks && h('p', 'address', words(url)),
    h('p', 'soft', WHERE[text(asked.way)] ?? WHERE.human),
  );
}

const WHERE: Record<string, string> = {
  relay: 'This card decides nothing. Tell the assistant your yes or no.',
  elicitation: 'This card decides nothing. Your client asks you to type the name of the guest.',
  terminal: 'This card decides nothing. You confirm in the terminal.',
  human: 'This card decides nothing. A human decides in the console or in a terminal.',
};

/** The page of this approval. Only web addresses are opened, although the address comes from the server. */
function consoleUrl(value: unknown, id: string): string | undefined {
  const address = text(value);
  if (!/^https?:\/\//.test(address) || !URL.canParse(address)) return undefined;
  return `${address.replace(/\/$/, '')}/#/pending/${encodeURIComponent(id)}`;
}

export function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

export function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function list(value: unknown): string[] {
  return Array.isArray(value) ? value.map(shown) : [];
}

function shown(value: unknown): string {
  if (value === undefined || value === null) return '—';
  if (Array.isArray(value)) return value.map(shown).join(', ') || '—';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
