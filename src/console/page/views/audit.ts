import type { AuditRow, AuditView, VerificationView } from '../../wire.ts';
import { get } from '../api.ts';
import { announce, fill, h, words } from '../dom.ts';
import { columnTime, fullTime, number, shortTime, zone } from '../format.ts';
import { badge, button, emptyState, loading, showProblem, tableHead, terms, toggles } from './parts.ts';
import type { View } from './view.ts';

const TYPING_PAUSE_MS = 250;

/** The audit records, newest first, and whether the chain is intact. */
export function auditPage(): View {
  const seal = h('div', { class: 'seal' });
  const table = h('div', { class: 'records' });
  const text = h('input', {
    id: 'find',
    attrs: { type: 'search', placeholder: 'name, VMID, task, error…', autocomplete: 'off', spellcheck: 'false' },
  });
  const selects = { kind: select('kind', 'Kind'), operation: select('operation', 'Operation'), principal: select('principal', 'Who') };
  let asked = 0;

  async function load(): Promise<void> {
    const mine = ++asked;
    const query = new URLSearchParams({ text: text.value });
    for (const [name, { field }] of Object.entries(selects)) query.set(name, field.value);
    try {
      const view = await get<AuditView>(`audit?${query}`);
      if (mine !== asked) return;
      selects.kind.offer(view.kinds);
      selects.operation.offer(view.operations);
      selects.principal.offer(view.principals);
      fill(table, ...records(view));
      announce(`${view.matching} records`);
    } catch (thrown) {
      if (mine === asked) showProblem(table, thrown, () => void load());
    }
  }

  async function verify(): Promise<void> {
    fill(seal, h('p', { class: 'soft' }, 'Checking every record…'));
    try {
      const verification = await get<VerificationView>('audit/verification');
      fill(
        seal,
        sealOf(verification, () => void refresh()),
      );
    } catch (thrown) {
      showProblem(seal, thrown, () => void verify());
    }
  }

  async function refresh(): Promise<void> {
    await Promise.all([load(), verify()]);
  }

  let pause: ReturnType<typeof setTimeout> | undefined;
  text.addEventListener('input', () => {
    clearTimeout(pause);
    pause = setTimeout(() => void load(), TYPING_PAUSE_MS);
  });
  for (const { field } of Object.values(selects)) field.addEventListener('change', () => void load());
  return {
    element: h(
      'div',
      { class: 'page' },
      h('h1', {}, 'Audit'),
      seal,
      h(
        'div',
        { class: 'filters', attrs: { role: 'search' } },
        h('label', { attrs: { for: 'find' } }, h('span', {}, 'Contains'), text),
        ...Object.values(selects).map(({ element }) => element),
      ),
      table,
    ),
    show() {
      fill(table, loading(8));
      void refresh();
    },
  };
}

function select(name: string, title: string) {
  const field = h('select', { id: `filter-${name}` }, h('option', { attrs: { value: '' } }, 'all'));
  return {
    field,
    element: h('label', { attrs: { for: field.id } }, h('span', {}, title), field),
    /** Keeps what is chosen, also when no record has it now. */
    offer(values: string[]) {
      const chosen = field.value;
      const all = chosen === '' || values.includes(chosen) ? values : [chosen, ...values];
      fill(field, h('option', { attrs: { value: '' } }, 'all'), ...all.map((value) => h('option', { attrs: { value } }, value)));
      field.value = chosen;
    },
  };
}

function sealOf(v: VerificationView, again: () => void): HTMLElement {
  const refresh = button('Refresh', 'quiet', again);
  if (!v.intact)
    return h(
      'div',
      { class: 'notice bad', attrs: { role: 'alert' } },
      h(
        'p',
        { class: 'strong' },
        v.count === 0 ? 'The audit cannot be verified.' : `Not intact. Check this before you trust any of its ${number(v.count)} records.`,
      ),
      h(
        'ul',
        {},
        v.problems.map(({ where, problem }) => h('li', {}, words(where), ': ', words(problem))),
      ),
      h('p', {}, 'Keep the file and find out who changed it: ', words(v.file, 'mono')),
      refresh,
    );
  return h(
    'div',
    { class: 'intact' },
    badge('intact', 'good'),
    h('span', {}, h('span', { class: 'number' }, number(v.count)), ' records, none changed'),
    h('span', { class: 'soft' }, 'newest ', h('span', { class: 'mono' }, v.head.slice(0, 12))),
    v.anchor && h('span', { class: 'soft' }, anchored(v.anchor)),
    v.recovered > 0 && h('span', { class: 'soft' }, `${number(v.recovered)} cut by a crash and closed`),
    refresh,
  );
}

function anchored({ checkpoints, newest, uncovered }: NonNullable<VerificationView['anchor']>): string {
  const since = newest === undefined ? '' : `, the newest of ${shortTime(newest)}`;
  return `${number(checkpoints)} checkpoints elsewhere match${since}; ${uncovered === 0 ? 'nothing is behind it' : `${number(uncovered)} newer records`}`;
}

function records({ rows, matching, searched }: AuditView): HTMLElement[] {
  if (searched === 0)
    return [emptyState('Nothing was recorded yet.', h('p', {}, 'Every call leaves a line here, reads and refusals included.'))];
  if (rows.length === 0) return [emptyState('No record matches.', h('p', {}, `The newest ${number(searched)} were searched.`))];
  const head = ['#', `Time (${zone()})`, 'Kind', 'Operation', 'Guest', 'Who', 'Outcome'];
  return [
    h('table', { class: 'log' }, h('caption', { class: 'hidden' }, 'Audit records, newest first'), tableHead(head), ...rows.map(record)),
    h(
      'p',
      { class: 'soft foot' },
      `${number(rows.length)} shown of ${number(matching)} that match, among the newest ${number(searched)} records.`,
    ),
  ];
}

const TONES: Record<string, string> = {
  intent: 'info',
  outcome: 'good',
  decision: 'info',
  approval: 'warn',
  refused: 'warn',
  notice: 'warn',
  recovered: 'warn',
  reconciled: 'warn',
};

function record(row: AuditRow): HTMLElement {
  const more = h('tr', { class: 'more' }, h('td', { attrs: { colspan: 7 } }, terms(row.details, 'plain', 'mono')));
  const toggle = button(row.seq, 'link number');
  toggle.setAttribute('aria-label', `record ${row.seq}, details`);
  toggles(toggle, more);
  return h(
    'tbody',
    {},
    h(
      'tr',
      {},
      h('td', {}, toggle),
      h('td', { class: 'number nowrap' }, h('time', { attrs: { datetime: row.time, title: fullTime(row.time) } }, columnTime(row.time))),
      h('td', {}, badge(row.kind.replace('_', ' '), TONES[row.kind] ?? 'calm')),
      h('td', { class: 'mono' }, words(row.operation)),
      h('td', { attrs: { 'data-label': 'Guest' } }, row.guest !== '' && words(row.guest)),
      h('td', { attrs: { 'data-label': 'Who' } }, words(row.who), row.channel !== '' && h('span', { class: 'soft' }, ` ${row.channel}`)),
      h('td', { class: row.bad ? 'badtext' : '' }, words(row.status)),
    ),
    more,
  );
}
