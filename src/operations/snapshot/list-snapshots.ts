import * as z from 'zod';
import { present } from '../../core/defined.ts';
import { plainText } from '../../core/text/text.ts';
import { listGuests, locate } from '../../proxmox/guest/guests.ts';
import { defineOperation } from '../define.ts';
import { bothReads, LIST_READS } from '../vm/lib/api.ts';
import { vmid } from '../vm/lib/schemas.ts';
import { whyEmpty } from '../vm/show/why-empty.ts';
import { readAll, unreadText } from './lib/read-all.ts';
import { snapshotRow } from './lib/snapshots.ts';

const MAX_ROWS = 60;

/** GET …/snapshot of one guest, or of each. */
export const listSnapshots = defineOperation({
  name: 'list_snapshots',
  title: 'List snapshots',
  effect: 'read',
  toolset: 'everyday',
  description: 'Snapshots of one guest or of all, with their age, the oldest first.',
  input: z.strictObject({ vmid: vmid.optional(), older_than_days: z.number().min(0).optional() }),
  byName: { vmid: 'name' },
  output: z.object({
    snapshots: z.array(
      z.object({
        vmid: z.number(),
        guest: z.string(),
        snapshot: z.string(),
        time: z.string().optional(),
        age_days: z.number().optional(),
        parent: z.string().optional(),
        memory: z.boolean().optional(),
        incomplete: z.string().optional(),
        description: z.string().optional(),
      }),
    ),
    total: z.number(),
    notice: z.string().optional(),
  }),
  reads: [...LIST_READS, ...bothReads('snapshot')],
  example: { older_than_days: 10 },
  table: 'snapshots',
  preview: ({ vmid }) => ['GET /cluster/resources?type=vm', `GET /nodes/{node}/{type}/${vmid ?? '{vmid}'}/snapshot`],
  async read(ctx, { vmid, older_than_days: days = 0 }) {
    const { api } = ctx;
    const guests = vmid === undefined ? await listGuests(api) : [await locate(api, vmid)];
    const { found, unread } = await readAll(api, guests);
    const now = Date.now() / 1000;
    const rows = found
      .flatMap(({ guest, snapshots }) => snapshots.all.map((snapshot) => ({ guest, snapshot })))
      .filter(({ snapshot: { time } }) => days === 0 || (time !== undefined && time < now - days * 86_400))
      .sort((a, b) => (a.snapshot.time ?? 0) - (b.snapshot.time ?? 0));
    const notice = present(
      guests.length === 0 && (await whyEmpty(ctx)),
      rows.length > MAX_ROWS && `only the oldest ${MAX_ROWS} are shown; name a guest or give older_than_days for fewer`,
      unreadText(unread),
    ).join('; ');
    return {
      snapshots: rows.slice(0, MAX_ROWS).map(({ guest, snapshot }) => ({
        vmid: guest.vmid,
        guest: plainText(guest.name, 80),
        ...snapshotRow(snapshot, now),
        ...(snapshot.description.trim() === '' ? {} : { description: plainText(snapshot.description, 120) }),
      })),
      total: rows.length,
      ...(notice === '' ? {} : { notice }),
    };
  },
});
