import { present } from '../../../core/defined.ts';
import { fail } from '../../../core/errors/errors.ts';
import type { Params } from '../../../core/plan/plan.ts';
import { plainText } from '../../../core/text/text.ts';
import { missingPrivileges } from '../../../proxmox/access/privileges.ts';
import { listGuests } from '../../../proxmox/guest/guests.ts';
import type { Options } from '../../../proxmox/guest/property-strings.ts';
import { listStorages } from '../../../proxmox/storage.ts';
import type { OperationContext } from '../../define.ts';
import { guestRequest } from '../lib/guest-request.ts';
import { addressesInUse } from '../lib/static-addresses.ts';
import { label, type Target } from '../lib/target.ts';
import { type CloudInit, cloudInitParams } from '../provision/cloud-init/cloud-init.ts';
import { properties } from '../provision/cloud-init/differences.ts';
import { addressesOfCloudInit, cloudInitWarnings } from '../provision/cloud-init/warnings.ts';
import { findMedium, isSameMedium } from '../provision/create/media.ts';
import { type Facet, facet } from './facet.ts';

/** The ISO in the CD drive; `none` takes it out. */
export async function isoFacet(ctx: OperationContext, { guest }: Target, wanted: string): Promise<Facet> {
  const { at, config, live } = guest;
  if (at.type === 'lxc') fail('not_possible', `${label(guest)} is a container and has no CD drive.`, { hint: 'Leave iso out.' });
  const drive = Object.keys(config).find(
    (key) => /^(?:ide|sata|scsi)\d+$/.test(key) && /media=cdrom/.test(config[key] ?? '') && !/cloudinit/.test(config[key] ?? ''),
  );
  const slot =
    drive ??
    ['ide2', 'ide0', 'ide3', 'sata5'].find((key) => config[key] === undefined && live[key] === undefined) ??
    fail('not_possible', `${label(guest)} has no CD drive and no free place for one.`, { hint: 'Detach another drive first.' });
  const was = (config[slot] ?? 'none').split(',')[0] ?? 'none';
  if (isSameMedium(wanted, was)) return facet();
  const iso = wanted === 'none' ? 'none' : await isoOn(ctx, at.node, wanted);
  return facet({
    changes: [
      { keys: [slot], text: iso === 'none' ? `take ${plainText(was, 120)} out of ${slot}` : `put ${plainText(iso, 120)} into ${slot}` },
    ],
    set: { [slot]: `${iso},media=cdrom` },
    parts: { [slot]: [iso] },
    before: { [slot]: plainText(was, 200) },
    after: { [slot]: plainText(iso, 200) },
    undo: [was === 'none' ? 'take it out again' : `put ${plainText(was, 120)} back`],
  });
}

async function isoOn({ api }: OperationContext, node: string, wanted: string): Promise<string> {
  return (await findMedium({ api, node, storages: await listStorages(api, node) }, 'iso', wanted)).volid;
}

/** As Proxmox stores it. */
function stored(value: Params[string] | undefined): string {
  return typeof value === 'boolean' ? (value ? '1' : '0') : String(value);
}

/** Proxmox upgrades packages unless told otherwise. */
function isSo(config: Options, key: string, wanted: string): boolean {
  const has = config[key] ?? (key === 'ciupgrade' ? '1' : undefined);
  if (has === undefined || !key.startsWith('ipconfig')) return has === wanted;
  return properties(has) === properties(wanted);
}

/**
 * Values of cloud-init, which a guest reads from its drive when it boots. Proxmox renews the drive at a start; the plan renews it for a
 * running guest where the token may.
 */
export async function cloudInitFacet(ctx: OperationContext, { guest, running }: Target, values: CloudInit): Promise<Facet> {
  const { at, config } = guest;
  const of = label(guest);
  if (!guest.disks.some((d) => d.media === 'cloudinit')) {
    fail('not_possible', `${of} has no cloud-init drive, so cloud_init would have no effect.`, { hint: 'Leave cloud_init out.' });
  }
  const given = cloudInitParams(values, await ctx.api.version());
  const set = Object.fromEntries(Object.entries(given).filter(([key, value]) => !isSo(config, key, stored(value))));
  const keys = Object.keys(set);
  if (keys.length === 0) return facet();
  const may = !running || (await missingPrivileges(ctx.api, [{ path: `/vms/${at.vmid}`, anyOf: ['VM.Config.Cloudinit'] }])).length === 0;
  const addresses = addressesOfCloudInit(values).filter(({ key }) => key in set);
  const inUse = addresses.length > 0 ? await addressesInUse(ctx, addresses, await listGuests(ctx.api), at.vmid) : [];
  const purpose = `renew the cloud-init drive of ${of}`;
  const shown = (key: string) => (key === 'cipassword' ? 'set' : plainText(stored(set[key]), 80));
  return facet({
    changes: [{ keys, text: `cloud-init ${keys.join(', ')}` }],
    set,
    has: Object.fromEntries(keys.filter((key) => key !== 'cipassword').map((key) => [key, stored(set[key])])),
    steps: running && may ? [() => guestRequest(at, { id: 'regenerate', method: 'PUT', path: '/cloudinit', purpose })] : [],
    before: Object.fromEntries(keys.map((key) => [key, key === 'cipassword' ? 'hidden' : plainText(config[key] ?? 'unset', 80)])),
    after: Object.fromEntries(keys.map((key) => [key, shown(key)])),
    warnings: present(
      running &&
        `the guest reads it at its next boot${may ? '' : '; without VM.Config.Cloudinit the drive is renewed at the next stop and start only'}`,
      ...cloudInitWarnings(values, { ...config, ...set }),
      ...inUse,
    ),
    undo: keys.map((key) =>
      key === 'cipassword' ? 'the former password is unknown' : `${key} back to ${plainText(config[key] ?? 'unset', 80)}`,
    ),
  });
}
