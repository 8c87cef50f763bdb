import type { BackupsView, ClusterAnswer, ClusterView, OpenRunView, Quota } from '../../wire.ts';
import { asApiError, get } from '../api.ts';
import { fill, h, words } from '../dom.ts';
import { mebibytes, number } from '../format.ts';
import { guestTable } from './guest-table.ts';
import { openRuns } from './open-runs.ts';
import { button, emptyState, loading, problemBox, showProblem } from './parts.ts';
import type { View } from './view.ts';

/** Guests by node, and the use of the limits. Read when opened or refreshed, because every read is a line in the audit. */
export function clusterPage(): View {
  const body = h('div', { class: 'cluster' });
  const again = button('Refresh', 'quiet', () => void load());

  async function load(): Promise<void> {
    again.disabled = true;
    try {
      const [answers, open] = await Promise.all([get<ClusterAnswer[]>('cluster'), get<OpenRunView[]>('open-runs')]);
      const shown = answers.map(answer);
      fill(
        body,
        openRuns(open, () => void load()),
        shown.map(({ elements }) => elements),
      );
      await fillBackups(shown);
    } catch (thrown) {
      showProblem(body, thrown, () => void load());
    } finally {
      again.disabled = false;
    }
  }

  return {
    element: h('div', { class: 'page' }, h('div', { class: 'titled' }, h('h1', {}, 'Cluster'), again), body),
    show() {
      fill(body, loading(8));
      void load();
    },
  };
}

interface Shown {
  name: string;
  elements: HTMLElement[];
  tables: ReturnType<typeof guestTable>[];
  /** Where the backups' notice goes. */
  said: HTMLElement;
}

function answer({ name, view, problem }: ClusterAnswer): Shown {
  const heading = name === '' ? [] : [h('h2', { class: 'cluster-name' }, words(name))];
  const said = h('p', { class: 'soft foot' });
  if (!view) return { name, elements: [...heading, ...(problem ? [problemBox(problem)] : [])], tables: [], said };
  const tables = view.nodes.map(({ guests }) => guestTable(name, guests));
  return { name, elements: [...heading, ...parts(view, tables), said], tables, said };
}

/** The backups are read from each storage, which may take long, so the guests are shown before. */
async function fillBackups(shown: Shown[]): Promise<void> {
  const views = await get<BackupsView[]>('backups').catch((thrown): BackupsView[] =>
    shown.map(({ name: cluster }) => ({ cluster, guests: [], notice: asApiError(thrown).message })),
  );
  for (const { name, tables, said } of shown) {
    const { guests = [], notice = '' } = views.find(({ cluster }) => cluster === name) ?? {};
    const of = new Map(guests.map((one) => [one.vmid, one]));
    for (const { backups } of tables) backups(of);
    fill(said, notice !== '' && ['Backups: ', words(notice)]);
  }
}

function parts(view: ClusterView, tables: Shown['tables']): HTMLElement[] {
  const list = [limits(view)];
  if (view.notice !== undefined) list.push(h('p', { class: 'notice warn' }, words(view.notice)));
  if (view.total === 0) list.push(emptyState('No guests are visible.', h('p', {}, 'The API token sees only what its rights cover.')));
  for (const [index, { name, guests }] of view.nodes.entries()) {
    const templates = guests.filter(({ template }) => template).length;
    const running = guests.filter(({ status }) => status === 'running').length;
    const counted = [
      `${number(guests.length - templates)} guests, ${number(running)} running`,
      templates > 0 && `, ${number(templates)} templates`,
    ];
    list.push(
      h('section', { class: 'node' }, h('h2', {}, words(name), h('span', { class: 'soft' }, ' ', counted)), tables[index]?.element),
    );
  }
  if (view.shown < view.total)
    list.push(h('p', { class: 'soft foot' }, `The first ${number(view.shown)} of ${number(view.total)} guests.`));
  return list;
}

function limits(view: ClusterView): HTMLElement {
  return h(
    'section',
    { class: 'limits' },
    h('h2', {}, 'Limits'),
    view.quotas
      ? h('div', { class: 'bars' }, view.quotas.map(bar))
      : h('p', { class: 'soft' }, 'The server counts the used part at every request. This list alone does not show it.'),
    h(
      'p',
      { class: 'soft' },
      `Counted: ${view.scope}, without templates. One guest may have at most `,
      view.perGuest.map(({ label, limit, unit, variable }, index) => [
        index > 0 && ', ',
        h('span', { class: 'number', attrs: { title: variable } }, amount(limit, unit)),
        ` ${label === 'vCPUs' ? label : `of ${label.toLowerCase()}`}`,
      ]),
      '.',
    ),
  );
}

function bar({ label, used, limit, unit, variable }: Quota): HTMLElement {
  const share = limit === undefined ? 0 : limit === 0 ? 1 : Math.min(1, used / limit);
  const state = limit === undefined ? 'calm' : share >= 1 ? 'bad' : share >= 0.8 ? 'warn' : 'good';
  const said = limit === undefined ? 'no limit' : share >= 1 ? 'full' : share >= 0.8 ? 'nearly full' : `${Math.round(share * 100)} %`;
  const meter = h('progress', { class: state, attrs: { max: 100, value: Math.round(share * 100), 'aria-label': `${label}: ${said}` } });
  return h(
    'div',
    { class: 'bar' },
    h('span', { class: 'name' }, label, ' ', h('span', { class: `said ${state}` }, said)),
    h('span', { class: 'number' }, amount(used, unit), limit === undefined ? '' : ` of ${amount(limit, unit)}`),
    limit !== undefined && meter,
    h('span', { class: 'soft mono variable' }, variable),
  );
}

function amount(value: number, unit: string): string {
  if (unit === 'MiB') return mebibytes(value);
  return unit === '' ? number(value) : `${number(value)} ${unit}`;
}
