import { ifAllowed } from '../../../core/errors/errors.ts';
import { isoOf } from '../../../core/text/duration.ts';
import type { Json } from '../../../core/text/json.ts';
import { fencedNotes, plainText, withoutCommand } from '../../../core/text/text.ts';
import { readBackups } from '../../../proxmox/backups.ts';
import { readFirewall } from '../../../proxmox/guest/firewall.ts';
import type { Guest, GuestRow } from '../../../proxmox/guest/guests.ts';
import type { Snapshots } from '../../../proxmox/guest/snapshots.ts';
import { type TaskRow, tasksOf } from '../../../proxmox/task-list.ts';
import { backupRow, backupSight } from '../../backup/lib/backup-sight.ts';
import type { OperationContext } from '../../define.ts';
import { snapshotRow } from '../../snapshot/lib/snapshots.ts';
import { firewallView, namesView } from '../firewall/view.ts';
import { rawConfig } from './config-view.ts';

export const FIELDS = ['notes', 'snapshots', 'raw_config', 'firewall', 'tasks', 'changes', 'backups', 'description'] as const;
export type Field = (typeof FIELDS)[number];

/** Rows of each list; more is in the tool for that list. */
const MAX_ROWS = 10;

interface Seen {
  row: GuestRow;
  guest: Guest;
  snapshots: Snapshots;
}

/** The parts of a guest that are shown only on request. */
export async function detailsOf(ctx: OperationContext, seen: Seen, fields: readonly Field[]): Promise<Record<string, unknown>> {
  const parts = await Promise.all([...new Set(fields)].map((field) => DETAILS[field](ctx, seen)));
  return Object.assign({}, ...parts);
}

type Detail = (ctx: OperationContext, seen: Seen) => Promise<Record<string, unknown>>;

const notes: (name: string) => Detail =
  (name) =>
  async (_ctx, { guest }) => {
    const text = guest.config.description ?? '';
    return text.trim() === '' ? {} : { [name]: fencedNotes(text) };
  };

const DETAILS: Record<Field, Detail> = {
  notes: notes('notes'),
  description: notes('description'),
  raw_config: async (_ctx, { guest }) => ({ raw_config: rawConfig(guest) }),
  snapshots: async (_ctx, { snapshots }) => ({
    snapshot_list: snapshots.all.map((snapshot) => snapshotRow(snapshot, Date.now() / 1000)),
  }),
  firewall: async ({ api }, { guest }) => {
    const [state, names] = await Promise.all([readFirewall(api, guest.at), namesView(api, guest.at)]);
    return { ...firewallView(state), ...names };
  },
  tasks: async ({ api }, { guest }) => {
    const { node, vmid } = guest.at;
    const rows = await tasksOf(api, node, { vmid, limit: MAX_ROWS });
    return {
      tasks: rows.map((task) => ({
        started: isoOf(task.startedAt).slice(0, 19),
        type: plainText(task.type, 40),
        user: plainText(task.user, 80),
        status: statusOf(task, 200),
        upid: task.upid,
      })),
    };
  },
  changes: async (ctx, { guest }) => ({ changes: await changesOf(ctx, guest) }),
  backups: async ({ api }, { row }) => {
    const lists = await readBackups(api, row.vmid);
    const { notice } = await backupSight(api, [row], lists);
    return {
      backups: lists.backups.slice(0, MAX_ROWS).map((backup) => backupRow(backup, Date.now() / 1000)),
      ...(notice === '' ? {} : { backups_notice: notice }),
    };
  },
};

/**
 * The latest changes of the guest: those through this server with requester and approver, and the other tasks of Proxmox with
 * their user. Changes of a configuration by others leave no task.
 */
async function changesOf(ctx: OperationContext, guest: Guest): Promise<Record<string, Json>[]> {
  const [own, tasks] = await Promise.all([
    ctx.changesOf(guest.at.vmid),
    ifAllowed(tasksOf(ctx.api, guest.at.node, { vmid: guest.at.vmid, limit: 3 * MAX_ROWS }), []),
  ]);
  const known = new Set(own.flatMap(({ upids }) => upids));
  const others = tasks
    .filter(({ upid }) => !known.has(upid))
    .map((task) => ({
      at: isoOf(task.startedAt),
      what: plainText(task.type, 40),
      by: plainText(task.user, 80),
      status: statusOf(task, 120),
    }));
  const all = [...own.map(({ upids: _upids, ...change }) => change), ...others].sort((a, b) => (a.at < b.at ? 1 : -1));
  return all.slice(0, MAX_ROWS).map((change) => ({ ...change, at: change.at.slice(0, 19) }));
}

function statusOf({ exit }: TaskRow, max: number): string {
  return exit === undefined ? 'running' : plainText(withoutCommand(exit), max);
}
