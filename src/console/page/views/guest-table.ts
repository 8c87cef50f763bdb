import type { BackupsView, GuestView } from '../../wire.ts';
import { fill, h, words } from '../dom.ts';
import { mebibytes, number } from '../format.ts';
import { loadGuest } from './guest.ts';
import { badge, button, tableHead, toggles } from './parts.ts';

const STATUS_TONES: Record<string, string> = { running: 'good', paused: 'warn', unknown: 'warn' };
const HEAD = ['VMID', 'Name', 'Status', 'CPU', 'Memory', 'Last backup', 'Pool and tags'];

type Backup = BackupsView['guests'][number];

/** The guests of a node. Each name opens its use and backups; the backups' age is filled in when it is known. */
export function guestTable(cluster: string, guests: GuestView[]): { element: HTMLElement; backups(of: ReadonlyMap<number, Backup>): void } {
  const cells = new Map(guests.map(({ vmid }) => [vmid, h('td', { attrs: { 'data-label': 'Last backup' } }, '…')]));
  return {
    element: h(
      'table',
      { class: 'log guests' },
      tableHead(HEAD),
      ...guests.map((guest) => rows(cluster, guest, cells.get(guest.vmid) as HTMLElement)),
    ),
    backups(of) {
      for (const [vmid, cell] of cells) fill(cell, ...backupOf(of.get(vmid)));
    },
  };
}

function backupOf(backup: Backup | undefined): (HTMLElement | string)[] {
  if (!backup) return ['–'];
  const { state, ageDays } = backup;
  const age = ageDays === undefined ? '' : ageDays < 1 ? 'today' : `${number(Math.floor(ageDays))} d ago`;
  if (state === 'ok') return [age];
  return [badge(state, state === 'unknown' || state === 'old' ? 'warn' : 'bad'), age === '' ? '' : ` ${age}`];
}

function rows(cluster: string, g: GuestView, backup: HTMLElement): HTMLElement {
  const box = h('div', { class: 'guest' });
  const more = h('tr', { class: 'more' }, h('td', { attrs: { colspan: HEAD.length } }, box));
  const name = button(words(g.name || '(no name)', 'strong'), 'link');
  toggles(name, more, () => void loadGuest(box, cluster, g.vmid));
  const cell = (label: string, ...children: Parameters<typeof h>[2][]) => h('td', { attrs: { 'data-label': label } }, ...children);
  if (g.template) fill(backup, '–');
  return h(
    'tbody',
    {},
    h(
      'tr',
      { class: g.template ? 'template' : '' },
      h('td', { class: 'number', attrs: { 'data-label': 'VMID' } }, g.vmid),
      h('td', { class: 'first' }, name, g.type === 'container' && h('span', { class: 'soft' }, ' container')),
      cell(
        'Status',
        g.template ? h('span', { class: 'soft' }, 'template') : badge(g.status, STATUS_TONES[g.status] ?? 'calm'),
        g.lock !== undefined && [' ', badge(`locked: ${g.lock}`, 'warn')],
      ),
      cell('CPU', h('span', { class: 'number' }, cpu(g))),
      cell('Memory', h('span', { class: 'number' }, memory(g))),
      backup,
      h(
        'td',
        { class: 'tags', attrs: { 'data-label': 'Pool and tags' } },
        g.pool !== undefined && h('span', { class: 'tag pool' }, 'pool ', words(g.pool)),
        g.tags.map((tag) => h('span', { class: 'tag' }, words(tag))),
        g.ha !== undefined && h('span', { class: 'tag' }, 'HA ', words(g.ha)),
      ),
    ),
    more,
  );
}

function cpu({ cpus, cpuPercent }: GuestView): string {
  if (cpus === undefined) return '–';
  return cpuPercent === undefined ? `${number(cpus)} vCPU` : `${number(cpuPercent)} % of ${number(cpus)}`;
}

function memory({ memoryMib, memoryUsedMib }: GuestView): string {
  if (memoryMib === undefined) return '–';
  return memoryUsedMib === undefined ? mebibytes(memoryMib) : `${mebibytes(memoryUsedMib)} of ${mebibytes(memoryMib)}`;
}
