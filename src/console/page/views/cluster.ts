import type { ClusterView, GuestView, OpenRunView, Quota } from '../../wire.ts';
import { asApiError, get } from '../api.ts';
import { fill, h, words } from '../dom.ts';
import { mebibytes, number } from '../format.ts';
import { openRuns } from './open-runs.ts';
import { badge, emptyState, loading, problemBox, section } from './parts.ts';
import type { View } from './view.ts';

/** Guests by node, and what is used of the limits. Looked at when opened or asked for, because every look is a line in the audit. */
export function clusterPage(): View {
  const body = h('div', { class: 'cluster' });
  const again = h('button', { class: 'quiet', attrs: { type: 'button' }, on: { click: () => void load() } }, 'Refresh');

  async function load(): Promise<void> {
    again.disabled = true;
    try {
      const [view, open] = await Promise.all([get<ClusterView>('cluster'), get<OpenRunView[]>('open-runs')]);
      fill(body, ...openRuns(open, () => void load()), ...parts(view));
    } catch (thrown) {
      fill(
        body,
        problemBox(asApiError(thrown), () => void load()),
      );
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

function parts(view: ClusterView): HTMLElement[] {
  const list = [limits(view)];
  if (view.notice !== undefined) list.push(h('p', { class: 'notice warn' }, words(view.notice)));
  if (view.total === 0) list.push(emptyState('No guests are visible.', h('p', {}, 'The API token sees only what its rights cover.')));
  for (const { name, guests } of view.nodes) {
    const running = guests.filter((guest) => guest.status === 'running').length;
    list.push(
      h(
        'section',
        { class: 'node' },
        h('h3', {}, words(name), h('span', { class: 'soft' }, ` ${number(guests.length)} guests, ${number(running)} running`)),
        table(guests),
      ),
    );
  }
  if (view.shown < view.total)
    list.push(h('p', { class: 'soft foot' }, `The first ${number(view.shown)} of ${number(view.total)} guests.`));
  return list;
}

function limits(view: ClusterView): HTMLElement {
  return section(
    'Limits',
    'limits',
    view.quotas
      ? h('div', { class: 'bars' }, view.quotas.map(bar))
      : h('p', { class: 'soft' }, 'The server counts the used part at every request. This list alone does not show it.'),
    h(
      'p',
      { class: 'soft' },
      `Counted: ${view.scope}, templates not. One guest may have at most `,
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

const STATUS_TONES: Record<string, string> = { running: 'good', paused: 'warn', unknown: 'warn' };

function table(guests: GuestView[]): HTMLElement {
  const head = ['VMID', 'Name', 'Status', 'vCPUs', 'Memory', 'Pool and tags'];
  return h(
    'div',
    { class: 'scroll' },
    h(
      'table',
      { class: 'log guests' },
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          ...head.map((title, index) => h('th', { class: index === 3 || index === 4 ? 'right' : '', attrs: { scope: 'col' } }, title)),
        ),
      ),
      h('tbody', {}, guests.map(row)),
    ),
  );
}

function row(g: GuestView): HTMLElement {
  return h(
    'tr',
    { class: g.template ? 'template' : '' },
    h('td', { class: 'number' }, g.vmid),
    h(
      'td',
      {},
      words(g.name || '(no name)', 'strong'),
      h('span', { class: 'soft' }, ` ${g.template ? 'template' : g.type === 'VM' ? '' : g.type}`),
    ),
    h(
      'td',
      {},
      g.template ? h('span', { class: 'soft' }, 'template') : badge(g.status, STATUS_TONES[g.status] ?? 'calm'),
      g.lock !== undefined && [' ', badge(`locked: ${g.lock}`, 'warn')],
    ),
    h('td', { class: 'number right' }, g.cpus ?? '–'),
    h('td', { class: 'number right nowrap' }, g.memoryMib === undefined ? '–' : mebibytes(g.memoryMib)),
    h(
      'td',
      { class: 'tags' },
      g.pool !== undefined && h('span', { class: 'tag pool' }, words(g.pool)),
      g.tags.map((tag) => h('span', { class: 'tag' }, words(tag))),
      g.ha !== undefined && h('span', { class: 'tag' }, 'HA ', words(g.ha)),
    ),
  );
}
