import * as z from 'zod';
import { defined } from '../../../core/defined.ts';
import { partsOf } from '../../../core/plan/parts.ts';
import type { Plan } from '../../../core/plan/plan.ts';
import type { RunRecord } from '../../../core/plan/run.ts';
import type { ProxmoxReader } from '../../../core/proxmox.ts';
import type { JsonObject } from '../../../core/text/json.ts';
import { addressesOf } from '../../../proxmox/guest/addresses.ts';
import { networksOf } from '../../../proxmox/guest/disks.ts';
import { type GuestAt, readGuest } from '../../../proxmox/guest/guests.ts';
import { outcomeOf, placeOf, statusNow } from '../lib/outcome.ts';
import { changed } from '../lib/schemas.ts';
import { staticIn } from '../lib/static-addresses.ts';
import { ipconfigsOf } from './cloud-init/cloud-init.ts';

/** The answer of operations that create a guest; `differences` only when it existed already. */
export const made = z.looseObject({
  notice: z.string().optional(),
  ...changed.shape,
  created: z.boolean(),
  existing: z.boolean().optional(),
  differences: z.array(z.string()).optional(),
  choices: z.array(z.string()).optional(),
  warnings: z.array(z.string()).optional(),
});

export async function madeReport(api: ProxmoxReader, run: RunRecord): Promise<z.input<typeof made>> {
  const guests = await Promise.all(partsOf(run.plan).map((plan) => oneMade(api, { ...run, plan })));
  const [first] = guests;
  if (!first) throw new Error('the plan makes no guest');
  return { created: true, ...first, ...(run.plan.makes ? { guests } : {}), ...outcomeOf(run) };
}

async function oneMade(api: ProxmoxReader, run: RunRecord) {
  const { name, ...at } = placeOf(run);
  const { continues } = run.plan;
  return {
    ...defined({ continues }),
    vmid: at.vmid,
    name,
    node: at.node,
    status: await statusNow(api, at, run),
    ...(run.args.wait_for === undefined ? configuredIn(run.plan) : await addressNow(api, at)),
  };
}

/** Static addresses that its requests give it. */
function configuredIn({ steps }: Plan): JsonObject {
  const given = steps.flatMap((step) => (step.kind === 'request' ? ipconfigsOf(step.params) : []));
  const ips = given.flatMap(([key, text]) => staticIn(key, text).map(({ address }) => address));
  return ips.length === 0 ? {} : { ip_configured: ips };
}

const TO_DO = 'Look for the MAC in the DHCP leases of its network, or call get_vm once the guest agent runs in it';

/** The addresses that its agent reports; without any, the MAC by which the network knows it. */
export async function addressNow(api: ProxmoxReader, at: GuestAt): Promise<JsonObject> {
  const guest = await readGuest(api, at).catch(() => undefined);
  if (!guest) return { ip_note: `it cannot be read now. ${TO_DO}` };
  const mac = networksOf(at.type, guest.live)[0]?.mac;
  const { ip_addresses: ips = [], ip_note: note = 'its agent reports no address yet' } = await addressesOf(api, guest);
  return { ...defined({ mac }), ...(ips.length > 0 ? { ip_addresses: ips } : { ip_note: `${note}. ${TO_DO}` }) };
}
