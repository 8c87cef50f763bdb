import * as z from 'zod';
import { present } from '../../core/defined.ts';
import { plainText } from '../../core/text/text.ts';
import { readBackups } from '../../proxmox/backups.ts';
import { listGuests } from '../../proxmox/guest/guests.ts';
import { defineOperation } from '../define.ts';
import { BACKUP_READS, LIST_READS } from '../vm/lib/api.ts';
import { vmid } from '../vm/lib/schemas.ts';
import { whyEmpty } from '../vm/show/why-empty.ts';
import { backupRow, backupSight } from './lib/backup-sight.ts';
import { coverageOf } from './lib/coverage.ts';

const MAX_ROWS = 60;

/** GET …/storage/{storage}/content?content=backup of every storage. */
export const listBackups = defineOperation({
  name: 'list_backups',
  title: 'List backups',
  effect: 'read',
  toolset: 'everyday',
  description:
    'Backups with age, size and verification, the newest first. coverage: one row a guest instead, those without a good recent backup first.',
  input: z.strictObject({
    vmid: vmid.optional(),
    coverage: z.boolean().default(false),
    max_age_days: z.number().min(0).default(7).describe('For coverage: older is old (7)'),
  }),
  byName: { vmid: 'name' },
  output: z.object({
    backups: z.array(z.looseObject({ vmid: z.number(), guest: z.string() })),
    total: z.number(),
    notice: z.string().optional(),
  }),
  reads: LIST_READS,
  mayRead: BACKUP_READS,
  example: { coverage: true },
  table: 'backups',
  preview: () => [
    'GET /cluster/resources?type=vm',
    'GET /nodes',
    'GET /nodes/{node}/storage',
    'GET /nodes/{node}/storage/{storage}/content',
  ],
  async read(ctx, { vmid, coverage, max_age_days }) {
    const { api } = ctx;
    const [all, lists] = await Promise.all([listGuests(api), readBackups(api, vmid)]);
    const guests = vmid === undefined ? all : all.filter((g) => g.vmid === vmid);
    const sight = await backupSight(api, guests, lists);
    const now = Date.now() / 1000;
    const name = (of: number) => plainText(all.find((g) => g.vmid === of)?.name ?? '', 80);
    const rows = coverage
      ? coverageOf(guests, lists.backups, { now, maxAgeDays: max_age_days, sees: sight.sees })
      : lists.backups.map((backup) => ({
          vmid: backup.vmid,
          guest: name(backup.vmid),
          ...backupRow(backup, now),
          ...(backup.notes.trim() === '' ? {} : { notes: plainText(backup.notes, 60) }),
        }));
    const notice = present(
      vmid === undefined && all.length === 0 && (await whyEmpty(ctx)),
      rows.length > MAX_ROWS && `only ${MAX_ROWS} of ${rows.length} are shown; name a guest for fewer`,
      sight.notice,
    ).join('; ');
    return { backups: rows.slice(0, MAX_ROWS), total: rows.length, ...(notice === '' ? {} : { notice }) };
  },
});
