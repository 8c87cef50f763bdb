import { defined } from '../core/defined.ts';
import type { JsonObject } from '../core/text/json.ts';
import { numberOf, problemOf, type Reader, rowsOf, textOf } from './read.ts';
import type { BackupsView, Curve, GuestDetail } from './wire.ts';

/** Points of a curve on the page: half an hour each. */
const POINTS = 48;
const BACKUPS_SHOWN = 10;

/** A guest's use over the last day, and its backups. A part that cannot be read becomes a problem beside the other. */
export async function guestDetail({ read }: Reader, vmid: number): Promise<GuestDetail> {
  const [metrics, backups] = await Promise.allSettled([
    read('get_metrics', { vmid, period: 'day', values: POINTS }),
    read('list_backups', { vmid }),
  ]);
  const problems = [metrics, backups].flatMap((one) => (one.status === 'rejected' ? [problemOf(one.reason)] : []));
  const use = metrics.status === 'fulfilled' ? metrics.value : {};
  const kept = backups.status === 'fulfilled' ? backups.value : {};
  return {
    curves: rowsOf(use.metrics).flatMap(curveOf),
    findings: Array.isArray(use.findings) ? use.findings.map((one) => textOf(one, 300)) : [],
    backups: rowsOf(kept.backups)
      .slice(0, BACKUPS_SHOWN)
      .map((row) => ({
        time: textOf(row.time, 40),
        volume: textOf(row.volume, 200),
        ...defined({ sizeGib: numberOf(row.size_gb) }),
        protected: row.protected === true,
        verified: textOf(row.verified, 40),
      })),
    ...defined({ backupsTotal: numberOf(kept.total) }),
    notices: [use.notice, kept.notice].map((one) => textOf(one, 600)).filter((one) => one !== ''),
    problems,
  };
}

/** The figures that the page draws, and how it names them. */
const CURVES: Record<string, Pick<Curve, 'label' | 'unit'>> = {
  cpu_percent: { label: 'CPU', unit: '%' },
  memory_used_percent: { label: 'Memory', unit: '%' },
  disk_read_mb_s: { label: 'Disk reads', unit: 'MiB/s' },
  disk_write_mb_s: { label: 'Disk writes', unit: 'MiB/s' },
  net_in_mb_s: { label: 'Network in', unit: 'MiB/s' },
  net_out_mb_s: { label: 'Network out', unit: 'MiB/s' },
};

function curveOf(row: JsonObject): Curve[] {
  const shown = CURVES[textOf(row.metric, 40)];
  const [avg, max, now] = [row.avg, row.max, row.now].map(numberOf);
  if (!shown || avg === undefined || max === undefined || now === undefined) return [];
  const values = Array.isArray(row.values) ? row.values.map((value) => numberOf(value) ?? null) : [];
  return [{ ...shown, avg, max, now, values }];
}

/** The newest backup of each guest, those without a good recent one first. */
export async function backupsView({ cluster, read }: Reader): Promise<BackupsView> {
  const { backups, notice } = await read('list_backups', { coverage: true });
  const guests = rowsOf(backups).map((row) => ({
    vmid: numberOf(row.vmid) ?? 0,
    state: textOf(row.state, 40),
    ...defined({ ageDays: numberOf(row.age_days) }),
    storage: textOf(row.storage, 80),
  }));
  return { cluster, guests, ...(notice === undefined ? {} : { notice: textOf(notice, 600) }) };
}
