import { defined } from '../core/defined.ts';
import type { ProxmoxReader } from '../core/proxmox.ts';
import { type GuestAt, guestPath } from './guests.ts';

/** A guest's own firewall. It acts where it is enabled here, for the cluster, and on the network device. */
export interface GuestFirewall {
  enabled: boolean;
  /** `ACCEPT`, `DROP` or `REJECT`; absent: Proxmox's default, which drops what comes in and lets out. */
  policyIn?: string;
  policyOut?: string;
  /** In the order in which they are tried. */
  rules: Record<string, string | number>[];
}

const SHOWN = ['pos', 'type', 'action', 'enable', 'macro', 'proto', 'dport', 'sport', 'source', 'dest', 'iface', 'log', 'comment'];

/** `GET …/firewall/options` and `GET …/firewall/rules` */
export async function readFirewall(api: Pick<ProxmoxReader, 'get'>, at: GuestAt): Promise<GuestFirewall> {
  const place = `${guestPath(at)}/firewall`;
  const [options, rules] = await Promise.all([
    api.get<{ enable?: number | string; policy_in?: string; policy_out?: string }>(`${place}/options`),
    api.get<Record<string, string | number>[]>(`${place}/rules`),
  ]);
  return {
    enabled: Number(options.enable ?? 0) === 1,
    ...defined({ policyIn: options.policy_in, policyOut: options.policy_out }),
    rules: rules.map((rule) => Object.fromEntries(SHOWN.flatMap((key) => (rule[key] === undefined ? [] : [[key, rule[key]]])))),
  };
}
