import type { ApprovalView, Fact, StepView } from '../../wire.ts';
import { type Child, h, words } from '../dom.ts';
import { countdown, fullTime, shortTime } from '../format.ts';
import { now } from '../state.ts';
import { decision } from './approvals/decide.ts';
import { outcome } from './approvals/outcome.ts';
import { claimedName, effectBadge, effectTone, section, statusBadge, tableHead, terms, texts } from './parts.ts';

/** A fact of more characters takes two columns. */
const LONG = 24;

/** Everything a human needs to decide, the most important first and the agent's words last. */
export function approvalDetail(a: ApprovalView): HTMLElement {
  return h(
    'article',
    { class: 'detail', attrs: { 'aria-labelledby': 'detail-title' } },
    header(a),
    a.status !== 'pending' && outcome(a),
    risks(a),
    a.changes.length > 0 && section('What changes', 'changes', changes(a)),
    a.guests.length > 1 && section(`The ${a.guests.length} guests`, 'covers', guests(a.guests)),
    a.facts.length > 0 &&
      section(a.guests.length > 0 ? 'All guests, as of the request' : 'The guest, as of the request', 'facts', facts(a)),
    section(
      a.status === 'pending' ? 'Exactly these requests will be sent' : 'The requests of the plan',
      'requests',
      h('ol', {}, a.steps.map(step)),
    ),
    a.choices.length > 0 && section('Chosen by default', 'choices', texts(a.choices)),
    section('Requested by', 'asked', asked(a)),
    a.reason !== undefined && agentsWords(a.reason),
    a.status === 'pending' && decision(a),
  );
}

function header(a: ApprovalView): HTMLElement {
  return h(
    'header',
    { class: 'headline' },
    h(
      'div',
      { class: 'badges' },
      effectBadge(a.effect),
      a.status === 'pending' ? expiry(a) : statusBadge(a.status),
      h('span', { class: 'soft' }, `requested ${shortTime(a.createdAt, now())}`),
    ),
    h('h2', { id: 'detail-title', attrs: { tabindex: -1 } }, words(a.summary)),
  );
}

function expiry(a: ApprovalView): HTMLElement {
  const left = h('span', { class: 'number', attrs: { 'data-until': a.expiresAt } }, countdown(a.expiresAt, now()));
  return h('span', { class: 'badge calm expiry', attrs: { title: `until ${fullTime(a.expiresAt)}` } }, 'expires in ', left);
}

function risks(a: ApprovalView): HTMLElement | false {
  const list = [...(a.raisedBecause === undefined ? [] : [a.raisedBecause]), ...a.warnings];
  if (list.length === 0) return a.undo !== '' && section('Undo', 'undo', h('p', {}, undo(a.undo)));
  return h(
    'section',
    { class: `risks ${a.status === 'pending' ? effectTone(a.effect) : 'past'}` },
    h('h3', {}, 'Warnings'),
    texts(list, 'risk'),
    a.undo !== '' && h('p', { class: 'undo' }, h('span', { class: 'label' }, 'Undo'), undo(a.undo)),
  );
}

/** Plans name the call that undoes them as an agent makes it. */
function undo(text: string): Child {
  const [, call = '', rest = ''] = /^([a-z]+_[a-z_]+ \{[^}]*\})(.*)$/s.exec(text) ?? [];
  return call === '' ? words(text) : ['An agent can call ', h('code', {}, words(call)), words(rest)];
}

function changes({ changes: rows, effect }: ApprovalView): HTMLElement {
  return h(
    'div',
    { class: 'scroll' },
    h(
      'table',
      { class: 'diff' },
      tableHead(['What', 'Now', 'After']),
      h(
        'tbody',
        {},
        rows.map(({ field, before, after }) =>
          h(
            'tr',
            {},
            h('th', { attrs: { scope: 'row' } }, words(field)),
            h('td', {}, before.length === 0 ? h('span', { class: 'soft' }, 'none') : before.map((value) => h('div', {}, words(value)))),
            h(
              'td',
              {},
              after.length === 0
                ? h('span', { class: effect === 'destroy' ? 'gone' : 'soft' }, 'gone')
                : after.map((value) => h('div', { class: 'then' }, words(value))),
            ),
          ),
        ),
      ),
    ),
  );
}

function guests(list: ApprovalView['guests']): HTMLElement {
  return h(
    'div',
    { class: 'scroll' },
    h(
      'table',
      { class: 'log' },
      tableHead(['VMID', 'Name', 'Kind', 'Node', 'As of the request']),
      h(
        'tbody',
        {},
        list.map(({ vmid, name, kind, node, facts }) =>
          h(
            'tr',
            {},
            h('td', { class: 'number', attrs: { 'data-label': 'VMID' } }, vmid),
            h('td', { class: 'first' }, words(name || '(no name)')),
            h('td', {}, kind),
            h('td', { attrs: { 'data-label': 'Node' } }, words(node)),
            h('td', { class: 'tags' }, facts.map(about)),
          ),
        ),
      ),
    ),
  );
}

/** One fact of one guest of several: `Uptime 3 d 2 h`. */
function about({ label, values, tone }: Fact): HTMLElement {
  return h('div', { class: tone ?? '' }, h('span', { class: 'label' }, label), ' ', words(values.join(', ')));
}

function facts({ guest, guests: { length: several }, facts: list }: ApprovalView): HTMLElement {
  const who: Fact[] =
    guest && several === 0
      ? [
          { label: guest.kind, values: [guest.name || '(no name)'] },
          { label: 'VMID', values: [String(guest.vmid)] },
          { label: 'Node', values: [guest.node] },
        ]
      : [];
  return h(
    'dl',
    {},
    [...who, ...list].map(({ label, values, tone }) =>
      h(
        'div',
        { class: `${tone ?? ''} ${values.some((value) => value.length > LONG) ? 'wide' : ''}`.trim() },
        h('dt', {}, label),
        values.map((value) => h('dd', {}, words(value))),
      ),
    ),
  );
}

function step(s: StepView): HTMLElement {
  if (s.kind !== 'request')
    return h('li', { class: 'step then' }, h('span', { class: 'method calm' }, s.kind), h('span', { class: 'purpose' }, words(s.purpose)));
  return h(
    'li',
    { class: 'step' },
    h('span', { class: `method ${s.method === 'DELETE' ? 'bad' : 'info'}` }, s.method),
    words(s.path, 'path'),
    s.params.length > 0 &&
      h(
        'span',
        { class: 'params' },
        s.params.map(([name, value]) => h('span', { class: 'param' }, words(name), '=', words(value, 'value'))),
      ),
    h('span', { class: 'purpose' }, words(s.purpose)),
  );
}

function asked(a: ApprovalView): HTMLElement {
  const claimed = claimedName(a.askedBy);
  return terms([
    ['Who', a.askedBy.person],
    ['Through', claimed === undefined ? a.askedBy.from : `${a.askedBy.from}, which ${claimed}`],
    ['Cluster', a.cluster],
    ['Time', fullTime(a.createdAt)],
    ['Operation', a.operation],
    ['Approval', a.id],
    ['Plan digest', a.digest.slice(0, 16)],
  ]);
}

function agentsWords(reason: string): HTMLElement {
  return h(
    'section',
    { class: 'agent' },
    h('h3', {}, 'The agent’s words, unverified'),
    h('blockquote', {}, words(reason)),
    h('p', { class: 'soft' }, 'Written by the requester. Nothing above comes from it.'),
  );
}
