import type { Where } from './catalogue.ts';
import type { Job } from './jobs.ts';
import type { Passing } from './proxy.ts';

/** One request of a job, named so that the same one is found again: `mutation POST /nodes/pve/qemu 1`. */
export interface Point {
  where: Where;
  key: string;
}

/** Names requests by where they stand in the call: polls and logs by the change whose task they follow. */
export function namer(isRedeemed: () => boolean): (passing: Pick<Passing, 'method' | 'path'>) => Point {
  const times = new Map<string, number>();
  let last = '';
  return ({ method, path }) => {
    let where: Where;
    let key: string;
    if (method !== 'GET') {
      where = 'mutation';
      last = `${method} ${path}`;
      key = last;
    } else if (/\/tasks\/[^/]+\/status$/.test(path)) {
      where = 'poll';
      key = `of ${last}`;
    } else if (/\/tasks\/[^/]+\/log$/.test(path)) {
      where = 'task-log';
      key = `of ${last}`;
    } else {
      where = last !== '' ? 'late-read' : isRedeemed() ? 'redeem-read' : 'plan-read';
      key = path;
    }
    const count = (times.get(where + key) ?? 0) + 1;
    times.set(where + key, count);
    return { where, key: `${key} ${count}` };
  };
}

/** Without the count. */
export const pathOf = ({ key }: Point) => key.replace(/ \d+$/, '');

/** Of requests of one job that play the same part, the first stands for all: polls of a task, reads of a path, the guests beside its own. */
export function firstOfEach(points: readonly Point[], { args }: Job): Point[] {
  const own = String(args.vmid ?? args.source_vmid ?? '');
  const met = new Set<string>();
  let change = '';
  return points.filter((point) => {
    if (point.where === 'mutation') change = point.key;
    const path = pathOf(point).replace(/\/nodes\/[^/]+\/(qemu|lxc)\/(\d+)/, (whole, _type, vmid) =>
      point.where === 'late-read' || vmid === own ? whole : '/another-guest',
    );
    const part = `${point.where} ${path} ${change}`;
    return !met.has(part) && met.add(part);
  });
}
