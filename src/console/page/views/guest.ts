import type { GuestDetail } from '../../wire.ts';
import { get } from '../api.ts';
import { fill, h, words } from '../dom.ts';
import { ago, number, shortTime } from '../format.ts';
import { now } from '../state.ts';
import { curve } from './curve.ts';
import { badge, loading, problemBox, showProblem } from './parts.ts';

/** A guest's use over the last day and its backups, read when it is opened. */
export async function loadGuest(box: HTMLElement, cluster: string, vmid: number): Promise<void> {
  fill(box, loading(3));
  try {
    const detail = await get<GuestDetail>(`guests/${vmid}?${new URLSearchParams({ cluster })}`);
    fill(box, ...parts(detail));
  } catch (thrown) {
    showProblem(box, thrown, () => void loadGuest(box, cluster, vmid));
  }
}

function parts({ curves, findings, backups, backupsTotal, notices, problems }: GuestDetail): HTMLElement[] {
  return [
    ...problems.map((problem) => problemBox(problem)),
    h(
      'div',
      {},
      h('h3', {}, 'The last 24 hours'),
      curves.length > 0 ? h('div', { class: 'curves' }, curves.map(curve)) : h('p', { class: 'soft' }, 'No figures.'),
      findings.map((text) => h('p', {}, words(text))),
    ),
    h(
      'div',
      {},
      h('h3', {}, 'Backups'),
      backupsTotal === undefined ? h('p', { class: 'soft' }, 'The backups could not be read.') : list(backups, backupsTotal),
    ),
    ...notices.map((text) => h('p', { class: 'soft' }, words(text))),
  ];
}

function list(backups: GuestDetail['backups'], total: number): HTMLElement {
  if (backups.length === 0) return h('p', { class: 'soft' }, 'No backup is visible.');
  return h(
    'ul',
    {},
    backups.map(({ time, volume, sizeGib, protected: kept, verified }) =>
      h(
        'li',
        {},
        h('time', { attrs: { datetime: time } }, `${ago(time, now())}, ${shortTime(time, now())}`),
        sizeGib !== undefined && `, ${number(sizeGib)} GiB `,
        verified !== '' && badge(`verification ${verified}`, verified === 'failed' ? 'bad' : 'calm'),
        kept && badge('protected', 'calm'),
        h('div', { class: 'mono soft' }, words(volume)),
      ),
    ),
    backups.length < total && h('li', { class: 'soft' }, `and ${number(total - backups.length)} older`),
  );
}
