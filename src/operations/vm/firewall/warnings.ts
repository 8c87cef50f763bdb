import { present } from '../../../core/defined.ts';
import { ifAllowed } from '../../../core/errors/errors.ts';
import type { ProxmoxReader } from '../../../core/proxmox.ts';
import { networksOf } from '../../../proxmox/guest/disks.ts';
import type { Guest } from '../../../proxmox/guest/guests.ts';
import { label, type Target } from '../lib/target.ts';
import { type Direction, decisionOn, type FilterChange } from './decision.ts';

/** Names everything that keeps the rules from acting, and the connections that the change closes. */
export async function firewallWarnings(api: ProxmoxReader, { guest }: Target, { before, after }: FilterChange): Promise<string[]> {
  const of = label(guest);
  const isOff = after.options.enable !== '1';
  const remote = /^w/.test(guest.config.ostype ?? '') ? { port: 3389, name: 'RDP' } : { port: 22, name: 'SSH' };
  const closes = (direction: Direction, port: number) =>
    decisionOn(after, direction, port).is === 'closed' && decisionOn(before, direction, port).is !== 'closed';
  return present(
    isOff && `the firewall of ${of} is off: its rules have no effect`,
    ...(await clusterWarning(api)),
    ...(isOff ? [] : deviceWarnings(guest)),
    closes('in', remote.port) && `new connections to ${of} by ${remote.name} (port ${remote.port}) are kept out`,
    closes('out', 443) && `${of} can open no connections that no rule of type out accepts, HTTPS and DNS among them`,
  );
}

function deviceWarnings(guest: Guest): string[] {
  const of = label(guest);
  const nics = networksOf(guest.at.type, guest.config);
  const open = nics.filter(({ firewall }) => !firewall).map(({ slot }) => slot);
  if (open.length === 0) return [];
  const call = `update_vm {"vmid": ${guest.at.vmid}, "nics": [{"nic": "${open[0]}", "firewall": true}]}`;
  if (open.length === nics.length) return [`no NIC of ${of} has the firewall on, so nothing is filtered: ${call}`];
  return [`${open.join(', ')} of ${of} pass${open.length === 1 ? 'es' : ''} the firewall by: ${call}`];
}

/** GET /cluster/firewall/options: off there is off everywhere. */
async function clusterWarning(api: ProxmoxReader): Promise<string[]> {
  const options = await ifAllowed(api.get<{ enable?: number | string }>('/cluster/firewall/options'), undefined);
  if (!options) return ['whether the firewall of the datacenter is on is unknown: the token lacks Sys.Audit on /'];
  return Number(options.enable ?? 0) === 1 ? [] : ['the firewall of the datacenter is off: no rule of any guest has an effect'];
}
