import { present } from '../../../core/defined.ts';
import type { RunRecord } from '../../../core/plan/run.ts';
import { plainText } from '../../../core/text/text.ts';
import { missingPrivileges } from '../../../proxmox/access/privileges.ts';
import { bootDisk, type Disk, networksOf } from '../../../proxmox/guest/disks.ts';
import { type Guest, type GuestRow, memoryOf } from '../../../proxmox/guest/guests.ts';
import type { OperationContext } from '../../define.ts';
import { differs, sameName } from '../lib/match.ts';
import type { CloneArgs } from './clone/input.ts';
import { cloudInitDifferences } from './cloud-init/differences.ts';
import type { CreateArgs } from './create/input.ts';
import { isSameMedium } from './create/media.ts';

/** The parameters of a new guest, by a create or a clone. */
type NewGuestArgs = CreateArgs & Pick<CloneArgs, 'source_vmid' | 'target_node' | 'full_clone' | 'start'>;
export type Asked = { [K in keyof NewGuestArgs]?: NewGuestArgs[K] | undefined };

export interface Compared {
  row: GuestRow;
  guest: Guest;
  /** This server's run that created it: Proxmox does not keep the source of a disk. */
  run: RunRecord | undefined;
}

/**
 * The differences of an existing guest from the request. Every given value is compared, and one that cannot be compared is named, so
 * that an empty list means the same guest.
 */
export async function differencesFrom(ctx: Pick<OperationContext, 'api'>, { row, guest, run }: Compared, asked: Asked): Promise<string[]> {
  return present(
    ...settings(guest, asked),
    ...origin(guest.disks, run, asked),
    ...(await poolDifference(ctx, row, asked.pool)),
    ...(asked.cloud_init ? cloudInitDifferences(asked.cloud_init, guest.config, guest.disks) : []),
    (asked.start || asked.start_on_create || asked.wait_for !== undefined) &&
      row.status !== 'running' &&
      `status: requested running, is ${row.status}`,
  );
}

function settings({ at, config, identity, disks, tags }: Guest, asked: Asked): string[] {
  const boot = bootDisk(config, disks);
  const card = networksOf(at.type, config)[0];
  // create_container has other words for some parameters.
  const isContainer = at.type === 'lxc';
  const flag = (value: string | undefined) => value === '1';
  const list = (names: readonly string[]) => [...new Set(names.map((tag) => tag.toLowerCase()))].sort().join(';');
  const facts: [string, unknown, unknown][] = [
    ['name', asked.name !== undefined && sameName(asked.name, identity.name) ? identity.name : asked.name, identity.name],
    ['vmid', asked.vmid, identity.vmid],
    ['cores', asked.cores, config.cores === undefined && isContainer ? 'no limit' : Number(config.cores ?? 1)],
    ['sockets', asked.sockets, Number(config.sockets ?? 1)],
    [isContainer ? 'memory_mb' : 'memory', asked.memory, memoryOf(config)],
    ['disk_gb', asked.disk_gb, boot?.sizeGib],
    ['storage', asked.storage, boot?.storage],
    ['ostype', asked.ostype, config.ostype ?? 'other'],
    [isContainer ? 'bridge' : 'net_bridge', asked.net_bridge, card?.bridge],
    ['vlan', asked.vlan, card?.vlan],
    ['scsihw', asked.scsihw, config.scsihw ?? 'lsi'],
    ['cpu', asked.cpu, config.cpu ?? 'kvm64'],
    ['bios', asked.bios, config.bios ?? 'seabios'],
    ['node', asked.node, identity.node],
    ['target_node', asked.target_node, identity.node],
    ['tags', asked.tags?.length ? list(asked.tags) : undefined, list(tags)],
    ['onboot', asked.onboot, flag(config.onboot)],
    ['protection', asked.protection, flag(config.protection)],
  ];
  const notes = asked.description?.trim();
  return [
    ...facts.filter(([, wanted, has]) => wanted !== undefined && wanted !== has).map(([what, wanted, has]) => differs(what, wanted, has)),
    ...(notes === undefined || notes === (config.description?.trim() ?? '') ? [] : [isContainer ? 'notes differ' : 'description differs']),
  ];
}

/** The text about a value that Proxmox does not keep. */
export function noRecord(what: string, wanted: unknown): string {
  return `${what}: requested ${plainText(String(wanted), 60)}, cannot be compared: this server has no record of how this guest was created`;
}

/** The sources of its disks, and the media in its CD drives. */
function origin(disks: readonly Disk[], run: RunRecord | undefined, asked: Asked): string[] {
  const { image, iso, source_vmid: source, full_clone: full } = asked;
  const inserted = disks.filter((d) => d.media === 'cdrom').map((d) => d.volid);
  const base = disks.map((d) => /(?:^|[:/])base-(\d+)-disk.*\/vm-/.exec(d.volid)?.[1]).find((owner) => owner !== undefined);
  const clonedFrom = run?.operation === 'clone_template' ? Number(run.args.source_vmid) : base === undefined ? undefined : Number(base);
  const recorded = run?.operation === 'clone_template' ? run.plan.after?.full_clone : base === undefined ? undefined : false;
  const made = run?.operation === 'create_vm';
  const was = clonedFrom === undefined ? run?.args.image : `a clone of ${clonedFrom}`;
  return present(
    !(image === undefined || (made && isSameMedium(image, String(run.args.image)))) &&
      (made || clonedFrom !== undefined ? differs('image', image, was) : noRecord('image', image)),
    !(iso === undefined || inserted.some((volid) => isSameMedium(iso, volid))) && differs('iso', iso, inserted.join(', ') || undefined),
    !(source === undefined || source === clonedFrom) &&
      (clonedFrom !== undefined || made ? differs('source_vmid', source, clonedFrom) : noRecord('source_vmid', source)),
    !(full === undefined || full === recorded || made) &&
      (recorded === undefined ? noRecord('full_clone', full) : differs('full_clone', full, recorded)),
  );
}

/** Lists show the pool of a guest only to a token with Pool.Audit on it. */
async function poolDifference({ api }: Pick<OperationContext, 'api'>, row: GuestRow, asked: string | undefined): Promise<string[]> {
  if (asked === undefined || row.pool === asked) return [];
  if (row.pool !== undefined) return [differs('pool', asked, row.pool)];
  const hidden = await missingPrivileges(api, [{ path: `/pool/${asked}`, anyOf: ['Pool.Audit'] }]);
  return hidden.length === 0
    ? [`pool: requested ${asked}, is not in it`]
    : [`pool: requested ${asked}, cannot be compared without Pool.Audit on /pool/${asked}`];
}
