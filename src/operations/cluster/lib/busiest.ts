import { ifAllowed } from '../../../core/errors/errors.ts';
import type { ProxmoxReader } from '../../../core/proxmox.ts';
import { plainText } from '../../../core/text/text.ts';
import { currentGuests } from '../../../proxmox/guest/fresh.ts';
import type { GuestRow } from '../../../proxmox/guest/guests.ts';
import { exportMetrics, type Sample } from '../../../proxmox/metrics.ts';
import { atLeast } from '../../../proxmox/version.ts';
import { short } from './statistics.ts';

/** Guests above which the history of all would be too much for one answer of Proxmox. */
const MAX_GUESTS = 100;
const SHOWN = 10;

/** The guests that used most CPU: over the last half hour where one request tells it, else now. */
export async function busiestGuests(api: ProxmoxReader) {
  const guests = (await currentGuests(api)).filter((guest) => guest.status === 'running');
  const samples = await history(api, guests.length);
  const busy = new Map<string, number[]>();
  for (const { id, metric, value } of samples) if (metric === 'cpu_current') busy.set(id, [...(busy.get(id) ?? []), value]);
  const rows = guests.map((guest) => {
    const values = busy.get(`${guest.type}/${guest.vmid}`) ?? [guest.cpu ?? 0];
    return { guest, average: values.reduce((sum, value) => sum + value, 0) / values.length, max: Math.max(...values) };
  });
  rows.sort((a, b) => coresOf(b) - coresOf(a) || a.guest.vmid - b.guest.vmid);
  return {
    over: samples.length > 0 ? 'the last half hour' : 'now',
    guests: rows.slice(0, SHOWN).map((row) => ({
      vmid: row.guest.vmid,
      name: plainText(row.guest.name, 80),
      node: row.guest.node,
      cpu_percent_avg: short(100 * row.average),
      cpu_percent_max: short(100 * row.max),
      cpus_used: short(coresOf(row)),
      ...(row.guest.memoryUsedMib === undefined ? {} : { memory_used_mb: Math.round(row.guest.memoryUsedMib) }),
    })),
    total: guests.length,
  };
}

function coresOf({ guest, average }: { guest: GuestRow; average: number }): number {
  return average * (guest.cpus ?? 1);
}

async function history(api: ProxmoxReader, guests: number): Promise<Sample[]> {
  if (guests > MAX_GUESTS || !atLeast(await api.version(), 8, 3)) return [];
  return ifAllowed(exportMetrics(api), []);
}
