import { isOn, type Options, type Rule } from '../../../proxmox/guest/firewall.ts';

export type Direction = 'in' | 'out';

/** The parts of a guest's firewall that decide about its traffic. */
export interface Filter {
  options: Options;
  rules: readonly Rule[];
  /** IP sets and aliases with other addresses than before, as rules name them: `+office`, `printer`. */
  changed?: readonly string[];
}

export interface FilterChange {
  before: Filter;
  after: Filter;
}

export interface Decision {
  /** For every address on the other side: all let through, all kept out, or that depends on more than the rules say. */
  is: 'open' | 'closed' | 'unsure';
  /** Everything that could decide, as text: equal texts decide alike. */
  because: string;
}

/** Ports of the macros that are common; of others only Proxmox knows. */
const MACRO_PORTS: Readonly<Record<string, number[]>> = { SSH: [22], HTTP: [80], HTTPS: [443], Web: [80, 443], RDP: [3389], DNS: [53] };
const EVERYWHERE = ['0.0.0.0/0', '::/0'];

/** Whether the firewall lets new TCP connections to a port through. Rules are tried in their order, the policy comes last. */
export function decisionOn({ options, rules, changed = [] }: Filter, direction: Direction, port: number): Decision {
  if (options.enable !== '1') return { is: 'open', because: 'off' };
  const tried = rules.flatMap((rule) => {
    const match = matches(rule, direction, port);
    return match === 'no' ? [] : [{ match, opens: rule.type === 'group' ? undefined : rule.action === 'ACCEPT', rule }];
  });
  const last = direction === 'in' ? options.policy_in : options.policy_out;
  const end = tried.findIndex(({ match, opens }) => match === 'yes' && opens !== undefined);
  const before = end < 0 ? tried : tried.slice(0, end);
  const opens = end < 0 ? last === 'ACCEPT' : tried[end]?.opens === true;
  // The IP filter lets only addresses of a set through, which may lack those of the guest.
  const ipFilter = options.ipfilter === '1';
  const others = ipFilter || before.some((one) => one.opens !== opens);
  return {
    is: others ? 'unsure' : opens ? 'open' : 'closed',
    because: JSON.stringify([last, ipFilter, tried.slice(0, end < 0 ? undefined : end + 1).map(({ rule }) => decisive(rule, changed))]),
  };
}

function decisive({ comment: _comment, log: _log, ...rule }: Rule, changed: readonly string[]): [string, string][] {
  const isOther = [rule.source, rule.dest].some((end) => end !== undefined && changed.includes(end.replace('guest/', '').toLowerCase()));
  return [...Object.entries(rule), ...(isOther ? [['changed', '1'] as [string, string]] : [])].sort();
}

/** `maybe`: it depends on the address on the other side, on the device, or on what only Proxmox knows. */
function matches(rule: Rule, direction: Direction, port: number): 'yes' | 'no' | 'maybe' {
  if (!isOn(rule)) return 'no';
  if (rule.type === 'group') return 'maybe';
  if (rule.type !== direction) return 'no';
  const { macro, proto, dport, sport, source, dest, iface } = rule;
  if (macro !== undefined) {
    const ports = MACRO_PORTS[macro];
    if (ports === undefined) return 'maybe';
    if (!ports.includes(port)) return 'no';
  } else {
    if (proto !== undefined && proto !== 'tcp' && proto !== '6') return 'no';
    const named = dport === undefined || dport.split(',').some((one) => /[a-z]/i.test(one));
    if (dport !== undefined && !named && !dport.split(',').some((one) => holdsPort(one, port))) return 'no';
    if (dport !== undefined && named) return 'maybe';
  }
  const ends = [source, dest].filter((end) => end !== undefined && !EVERYWHERE.includes(end));
  return ends.length > 0 || sport !== undefined || iface !== undefined ? 'maybe' : 'yes';
}

function holdsPort(text: string, port: number): boolean {
  const [from = '', to = from] = text.split(':');
  return Number(from) <= port && port <= Number(to);
}
