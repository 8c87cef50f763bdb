import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src/core/text/json.ts';
import { planOf } from '../../helpers/plans.ts';
import { asRoot, tokenWith } from '../../helpers/rights.ts';
import { invalidRequests } from '../../helpers/simulator.ts';
import { agent, hurriedClock, openWorld, type World } from '../../helpers/world.ts';

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(async () => {
  await world.close();
  expect(invalidRequests(world.cluster.requests)).toEqual([]);
});

const BASE = '/nodes/pve/qemu/105/firewall';
const root = (method: string, path: string, params: Record<string, string> = {}) => asRoot(world.cluster, method, path, params);
/** What the tool sent; what the tests set up as root is left out. */
let setUp = 0;
const ready = () => {
  setUp = world.cluster.mutations().length;
};
beforeEach(ready);
const sent = () =>
  world.cluster
    .mutations()
    .slice(setUp)
    .map(({ method, path, params: { digest: _digest, ...params } }) => [`${method} ${path.replace(BASE, '')}`, params]);
const digests = () =>
  world.cluster
    .mutations()
    .slice(setUp)
    .map(({ params }) => params.digest);
const rules = async () => (await root('GET', `${BASE}/rules`)) as JsonObject[];
const shown = async (): Promise<JsonObject[]> =>
  (await world.done('get_vm', { vmid: 105, fields: ['firewall'] })).firewall_rules as JsonObject[];
const keyOf = async (match: JsonObject): Promise<string> => {
  const found = (await shown()).find((rule) => Object.entries(match).every(([key, value]) => rule[key] === value));
  return String(found?.rule);
};
const approved = async (args: object): Promise<JsonObject> => {
  const id = await world.asks('update_firewall', { vmid: 105, ...args });
  return (await world.done('approve', { approval_id: id })).result as JsonObject;
};
const refused = (args: object) => world.refused(world.call('update_firewall', { vmid: 105, ...args }));
const SSH = { type: 'in', action: 'ACCEPT', proto: 'tcp', dport: '22', enable: '1' };
const WEB = { type: 'in', action: 'ACCEPT', macro: 'HTTPS', enable: '1' };
const OTHERS = { type: 'in', action: 'DROP', enable: '1' };
/** In the order in which they are tried. */
async function given(...list: Record<string, string>[]): Promise<void> {
  for (const rule of list.toReversed()) await root('POST', `${BASE}/rules`, rule);
  ready();
}

describe('opening a port', () => {
  it('takes one call and one approval, and shows the rules as they are then', async () => {
    const args = { vmid: 105, rules: [{ action: 'accept', dport: '8080', source: '10.0.0.0/8', comment: 'builds' }] };
    expect(await planOf(world, 'update_firewall', args)).toMatchObject({
      effect: 'disrupt',
      summary: 'Change the firewall of dev1 (105): add in ACCEPT tcp dport 8080 source 10.0.0.0/8',
      choices: ['proto tcp for port 8080'],
      undo: 'update_firewall: remove in ACCEPT tcp dport 8080 source 10.0.0.0/8',
    });
    const report = await approved(args);
    expect(sent()).toEqual([
      ['POST /rules', { type: 'in', action: 'ACCEPT', proto: 'tcp', dport: '8080', source: '10.0.0.0/8', comment: 'builds', enable: '1' }],
    ]);
    expect(report).toMatchObject({ vmid: 105, firewall: { enabled: false, policy_in: 'DROP', policy_out: 'ACCEPT' } });
    expect(report.firewall_rules).toMatchObject([{ rule: expect.stringMatching(/^[0-9a-f]{8}$/), pos: 0, dport: '8080', enable: 1 }]);
  });

  it('needs no approval and sends nothing where the rule exists', async () => {
    await given(SSH);
    expect(await world.done('update_firewall', { vmid: 105, rules: [{ action: 'ACCEPT', proto: 'tcp', dport: '22' }] })).toMatchObject({
      already: true,
    });
    expect(sent()).toEqual([]);
  });

  it('says how to enable a rule that exists and is disabled', async () => {
    await given({ ...SSH, enable: '0' });
    expect(await refused({ rules: [{ action: 'ACCEPT', proto: 'tcp', dport: '22' }] })).toMatchObject({
      code: 'conflict',
      hint: `Call again with rule "${await keyOf({ dport: '22' })}" and enabled true.`,
    });
  });
});

describe('rules by their key', () => {
  it('the key stays when positions shift, and when the rule is switched off or gets another comment', async () => {
    await given(SSH, WEB);
    const key = await keyOf({ dport: '22' });
    await root('POST', `${BASE}/rules`, OTHERS);
    await root('PUT', `${BASE}/rules/1`, { enable: '0', comment: 'for now' });
    expect(await keyOf({ dport: '22' })).toBe(key);
    expect(await keyOf({ macro: 'HTTPS' })).not.toBe(key);
  });

  it('equal rules have different keys', async () => {
    await given(SSH, SSH);
    const keys = (await shown()).map(({ rule }) => rule);
    expect(keys[1]).toBe(`${keys[0]}-2`);
    await approved({ rules: [{ rule: keys[1], remove: true }] });
    expect(sent()).toEqual([['DELETE /rules/1', {}]]);
    expect(await rules()).toHaveLength(1);
  });

  it('changes, moves, adds and removes in one plan, each request with the digest of the list that it changes', async () => {
    await given(SSH, WEB, OTHERS);
    const [ssh, web, others] = [await keyOf({ dport: '22' }), await keyOf({ macro: 'HTTPS' }), await keyOf({ action: 'DROP' })];
    await approved({
      rules: [
        { action: 'REJECT', proto: 'tcp', dport: '25', type: 'out' },
        { action: 'ACCEPT', macro: 'dns', before: others },
        { rule: ssh, source: '10.0.0.0/8', before: 'last' },
        { rule: web, remove: true },
      ],
    });
    expect((await rules()).map(({ action, macro, dport, source, enable }) => [action, macro ?? dport, source, enable])).toEqual([
      ['REJECT', '25', undefined, 1],
      ['ACCEPT', 'DNS', undefined, 1],
      ['DROP', undefined, undefined, 1],
      ['ACCEPT', '22', '10.0.0.0/8', 1],
    ]);
    expect(sent().map(([line]) => line)).toEqual([
      ...['POST /rules', 'PUT /rules/0', 'PUT /rules/2', 'POST /rules', 'PUT /rules/1', 'PUT /rules/1', 'DELETE /rules/1'],
    ]);
    expect(new Set(digests()).size).toBe(7);
    expect(digests()).not.toContain(undefined);
  });

  it('a rule that goes behind others is disabled until it is in its place', async () => {
    await given(SSH, WEB);
    await approved({ rules: [{ action: 'DROP', before: 'last' }] });
    expect(sent()).toEqual([
      ['POST /rules', { type: 'in', action: 'DROP', enable: '0' }],
      ['PUT /rules/0', { moveto: '3' }],
      ['PUT /rules/2', { enable: '1' }],
    ]);
  });

  it('a rule accepts answers to ping by their ICMP type', async () => {
    await approved({ rules: [{ action: 'ACCEPT', proto: 'icmp', icmp_type: 'echo-reply' }] });
    expect(sent()).toEqual([['POST /rules', { type: 'in', action: 'ACCEPT', proto: 'icmp', 'icmp-type': 'echo-reply', enable: '1' }]]);
    expect(await keyOf({ 'icmp-type': 'echo-reply' })).toMatch(/^[0-9a-f]{8}$/);
  });

  it('an empty field is removed from the rule', async () => {
    await given({ ...SSH, source: '10.0.0.0/8', comment: 'office' });
    await approved({ rules: [{ rule: await keyOf({ dport: '22' }), source: '', comment: '' }] });
    expect(sent()).toEqual([['PUT /rules/0', { delete: 'source,comment' }]]);
    expect((await rules())[0]).not.toHaveProperty('source');
  });

  it.each([
    ['an unknown key', { rule: 'ffffffff', remove: true }, 'not_possible', 'The firewall of dev1 (105) has no rule ffffffff.'],
    ['an unknown macro', { action: 'ACCEPT', macro: 'SHH' }, 'not_possible', 'The macro SHH does not exist.'],
    [
      'ports without a protocol that has them',
      { action: 'ACCEPT', proto: 'icmp', dport: '22' },
      'invalid_arguments',
      'A rule with ports needs',
    ],
    [
      'an ICMP type without its protocol',
      { action: 'ACCEPT', proto: 'tcp', icmp_type: 'echo-request' },
      'invalid_arguments',
      'A rule with icmp_type needs',
    ],
    ['an impossible port', { action: 'ACCEPT', dport: '70000' }, 'invalid_arguments', '"70000" is not a port'],
    ['an address that is none', { action: 'ACCEPT', source: '10.0.0.300' }, 'invalid_arguments', '"10.0.0.300" is not an address'],
    ['an IP set that does not exist', { action: 'ACCEPT', source: '+office' }, 'not_possible', 'The IP set +office does not exist.'],
    ['an alias that does not exist', { action: 'ACCEPT', source: 'printer' }, 'not_possible', 'The alias printer does not exist.'],
    ['a NIC that the guest lacks', { action: 'ACCEPT', iface: 'net7' }, 'not_possible', 'dev1 (105) has no net7.'],
    ['a security group that does not exist', { type: 'group', action: 'web' }, 'not_possible', 'The security group web does not exist.'],
    ['an action that is none', { action: 'ALLOW' }, 'invalid_arguments', 'A rule needs action ACCEPT, DROP or REJECT.'],
    ['two lines of comment', { action: 'ACCEPT', comment: 'a\nb' }, 'invalid_arguments', 'one line'],
  ])('refuses %s, and sends nothing', async (_what, rule, code, message) => {
    const error = await refused({ rules: [rule] });
    expect([error.code, error.message]).toEqual([code, expect.stringContaining(message)]);
    expect(sent()).toEqual([]);
  });
});

describe('an answer that is lost', () => {
  it.each([
    ['POST', 'rules$', { rules: [{ action: 'ACCEPT', macro: 'DNS' }] }],
    ['DELETE', 'rules/0$', 'remove'],
    ['PUT', 'rules/0$', 'off'],
    ['PUT', 'options$', { enabled: true }],
  ] as const)('to %s %s: the list shows that it took effect, and nothing is sent twice', async (method, path, change) => {
    await given(SSH);
    const rule = await keyOf({ dport: '22' });
    const args =
      change === 'remove' ? { rules: [{ rule, remove: true }] } : change === 'off' ? { rules: [{ rule, enabled: false }] } : change;
    world.cluster.simulator.faults.add({ match: { method, path }, action: '596-after', times: 1 });
    const hurried = world.another({}, { clock: hurriedClock() });
    const id = await world.asks('update_firewall', { vmid: 105, ...args });
    expect(await hurried.perform('approve', { approval_id: id }, agent, { wait: 'end' })).toMatchObject({ kind: 'done' });
    expect(sent()).toHaveLength(1);
  });
});

describe('another client', () => {
  it('that changed the rules since the request makes the approval stale', async () => {
    const id = await world.asks('update_firewall', { vmid: 105, rules: [{ action: 'ACCEPT', macro: 'SSH' }] });
    await given(WEB);
    const error = await world.refused(world.call('approve', { approval_id: id }));
    expect(error).toMatchObject({
      code: 'approval_stale',
      message: expect.stringContaining('firewall rules of dev1 (105) was replaced or changed'),
    });
    expect(sent()).toEqual([]);
  });

  it('that adds a rule between two requests ends the run before a position means another rule', async () => {
    const list = new RegExp(`${BASE}/rules$`);
    const { faults } = world.cluster.simulator;
    await given(SSH, WEB);
    const [ssh, web] = [await keyOf({ dport: '22' }), await keyOf({ macro: 'HTTPS' })];
    const args = { rules: [ssh, web].map((rule) => ({ rule, remove: true })) };
    const id = await world.asks('update_firewall', { vmid: 105, ...args });
    // The read of the list after the first removal.
    faults.add({ match: { method: 'DELETE', path: 'rules/0$' }, action: 'hold', times: 1 });
    const running = world.refused(world.call('approve', { approval_id: id }));
    await faults.untilHeld(1);
    faults.add({ match: { method: 'GET', path: list.source }, action: 'hold-before', times: 1 });
    faults.release();
    await faults.untilHeld(1);
    await root('POST', `${BASE}/rules`, OTHERS);
    faults.release();
    expect(await running).toMatchObject({
      code: 'guest_state',
      message: expect.stringContaining(
        `Another client changed ${BASE}/rules, so "remove a rule of dev1 (105): in ACCEPT HTTPS" was not sent.`,
      ),
    });
    expect((await rules()).map(({ action, macro }) => macro ?? action)).toEqual(['DROP', 'HTTPS']);
  });

  it('that changed the rules before a lost request arrives: Proxmox refuses it, and the run ends', async () => {
    const { faults } = world.cluster.simulator;
    await given(SSH);
    const id = await world.asks('update_firewall', { vmid: 105, rules: [{ rule: await keyOf({ dport: '22' }), enabled: false }] });
    faults.add({ match: { method: 'PUT', path: 'rules/0$' }, action: 'late', times: 1 });
    const hurried = world.another({}, { clock: hurriedClock() });
    const lost = await world.refused(hurried.perform('approve', { approval_id: id }, agent, { wait: 'end' }));
    expect(lost.code).toBe('outcome_unknown');
    await root('POST', `${BASE}/rules`, OTHERS);
    const task = await world.done('get_task', { run_id: String(lost.details?.run_id) });
    expect(JSON.stringify(task)).toContain('the list has changed since');
  });
});

describe('options', () => {
  it('sends the options that differ, and says why rules have no effect', async () => {
    const args = { vmid: 105, enabled: true, policy_in: 'DROP', policy_out: 'REJECT' };
    const plan = await planOf(world, 'update_firewall', args);
    expect(plan.warnings).toEqual([
      'the firewall of the datacenter is off: no rule of any guest has an effect',
      'no NIC of dev1 (105) has the firewall on, so nothing is filtered: update_vm {"vmid": 105, "nics": [{"nic": "net0", "firewall": true}]}',
      'new connections to dev1 (105) by SSH (port 22) are kept out',
      'dev1 (105) can open no connections that no rule of type out accepts, HTTPS and DNS among them',
    ]);
    expect(plan).toMatchObject({
      before: { firewall: 'off, in DROP, out ACCEPT' },
      after: { firewall: 'on, in DROP, out REJECT' },
      summary: 'Change the firewall of dev1 (105): enable 0 → 1, policy_out ACCEPT → REJECT',
      undo: 'update_firewall: enable 1 → 0, policy_out REJECT → ACCEPT',
    });
    expect(await approved(args)).toMatchObject({ firewall: { enabled: true, policy_in: 'DROP', policy_out: 'REJECT' } });
    expect(sent()).toEqual([['PUT /options', { enable: '1', policy_out: 'REJECT' }]]);
    expect(digests()).toEqual(['da39a3ee5e6b4b0d3255bfef95601890afd80709']);
  });

  it('sends the other options by their names, without those that have the value already', async () => {
    await approved({ options: { ipfilter: true, macfilter: true, dhcp: true, log_level_in: 'info' } });
    expect(sent()).toEqual([['PUT /options', { ipfilter: '1', dhcp: '1', log_level_in: 'info' }]]);
  });

  it('has no warning where the firewall is on and SSH stays open', async () => {
    await root('PUT', '/cluster/firewall/options', { enable: '1' });
    await world.done('update_vm', { vmid: 105, nics: [{ nic: 'net0', firewall: true }] });
    const plan = await planOf(world, 'update_firewall', { vmid: 105, enabled: true, rules: [{ action: 'ACCEPT', macro: 'SSH' }] });
    expect(plan.warnings).toEqual([]);
  });

  it('says that the firewall of the guest is off, and what the token cannot see', async () => {
    const token = await tokenWith(world.cluster, { '/vms': ['VM.Audit', 'VM.Config.Network'] });
    const engine = world.another({ connection: world.cluster.connection(token) }, { token });
    const args = { vmid: 105, rules: [{ action: 'ACCEPT', macro: 'SSH' }] };
    const result = await engine.perform('update_firewall', args, agent, { dryRun: true });
    expect(result.kind === 'dry_run' && result.plan.warnings).toEqual([
      'the firewall of dev1 (105) is off: its rules have no effect',
      'whether the firewall of the datacenter is on is unknown: the token lacks Sys.Audit on /',
    ]);
  });
});

describe('IP sets and aliases', () => {
  it('are created before the rule that names them, and get_vm shows them', async () => {
    await approved({
      ip_sets: [{ name: 'office', comment: 'both floors', add: ['10.0.0.0/8', '!10.0.0.9/32'] }],
      aliases: [{ name: 'printer', cidr: '192.0.2.7', comment: 'second floor' }],
      rules: [{ action: 'ACCEPT', macro: 'SSH', source: '+office', dest: 'printer' }],
    });
    expect(sent()).toEqual([
      ['POST /aliases', { name: 'printer', cidr: '192.0.2.7', comment: 'second floor' }],
      ['POST /ipset', { name: 'office', comment: 'both floors' }],
      ['POST /ipset/office', { cidr: '10.0.0.0/8' }],
      ['POST /ipset/office', { cidr: '10.0.0.9', nomatch: '1' }],
      ['POST /rules', { type: 'in', action: 'ACCEPT', macro: 'SSH', source: '+office', dest: 'printer', enable: '1' }],
    ]);
    expect(await world.done('get_vm', { vmid: 105, fields: ['firewall'] })).toMatchObject({
      ip_sets: { office: expect.arrayContaining(['10.0.0.0/8', '!10.0.0.9']) },
      ip_aliases: { printer: '192.0.2.7' },
    });
  });

  it('of sets are in lower case, as Proxmox keeps them, and a repeated call changes nothing', async () => {
    const sets = {
      ip_sets: [{ name: 'Office', add: ['10.0.0.0/8'] }],
      rules: [{ action: 'ACCEPT', proto: 'TCP', dport: '22', source: '+Office' }],
    };
    await approved(sets);
    expect(sent()).toEqual([
      ['POST /ipset', { name: 'office' }],
      ['POST /ipset/office', { cidr: '10.0.0.0/8' }],
      ['POST /rules', { type: 'in', action: 'ACCEPT', proto: 'tcp', dport: '22', source: '+office', enable: '1' }],
    ]);
    expect(await world.done('update_firewall', { vmid: 105, ...sets })).toMatchObject({ already: true });
    expect(await refused({ ip_sets: [{ name: 'OFFICE', remove: true }] })).toMatchObject({ code: 'not_possible' });
  });

  it('of addresses are stored without bits of a host, and a repeated call changes nothing', async () => {
    const sets = { ip_sets: [{ name: 'office', add: ['10.1.2.3/16', 'FD00:0:0:1::5/64', '192.0.2.7/32'] }] };
    await approved(sets);
    expect(sent().slice(1)).toEqual([
      ['POST /ipset/office', { cidr: '10.1.0.0/16' }],
      ['POST /ipset/office', { cidr: 'fd00:0:0:1::/64' }],
      ['POST /ipset/office', { cidr: '192.0.2.7' }],
    ]);
    expect(await world.done('update_firewall', { vmid: 105, ...sets })).toMatchObject({ already: true });
    for (const add of ['10.0.0.1-10.0.0.9', '0.0.0.0/0']) {
      expect(await refused({ ip_sets: [{ name: 'office', add: [add] }] })).toMatchObject({ code: 'invalid_arguments' });
    }
  });

  it('of sets of a virtual network keep its case', async () => {
    const plan = await planOf(world, 'update_firewall', { vmid: 105, rules: [{ action: 'ACCEPT', source: '+sdn/LAN-all' }] });
    expect(plan.steps).toContainEqual(expect.objectContaining({ params: expect.objectContaining({ source: '+sdn/LAN-all' }) }));
  });

  it('get another name in one call: a new set, the rule that uses it, and the removal of the old one', async () => {
    await root('POST', `${BASE}/ipset`, { name: 'office' });
    await root('POST', `${BASE}/ipset/office`, { cidr: '10.0.0.0/8' });
    await root('POST', `${BASE}/rules`, { type: 'in', action: 'ACCEPT', source: '+office', enable: '1' });
    const { firewall_rules: rules } = await world.done('get_vm', { vmid: 105, fields: ['firewall'] });
    const [{ rule = '' } = {}] = rules as { rule?: string }[];
    ready();
    await approved({
      ip_sets: [
        { name: 'campus', add: ['10.0.0.0/8'] },
        { name: 'office', remove: true },
      ],
      rules: [{ rule, source: '+campus' }],
    });
    expect(await world.done('get_vm', { vmid: 105, fields: ['firewall'] })).toMatchObject({
      firewall_rules: [{ source: '+campus' }],
      ip_sets: { campus: ['10.0.0.0/8'] },
    });
  });

  it('are changed and removed by name, each list with its digest', async () => {
    await root('POST', `${BASE}/ipset`, { name: 'office' });
    for (const cidr of ['10.0.0.0/8', '192.0.2.0/24']) await root('POST', `${BASE}/ipset/office`, { cidr });
    await root('POST', `${BASE}/ipset`, { name: 'old' });
    await root('POST', `${BASE}/aliases`, { name: 'printer', cidr: '192.0.2.7', comment: 'second floor' });
    await root('POST', `${BASE}/aliases`, { name: 'scanner', cidr: '192.0.2.8' });
    ready();
    await approved({
      ip_sets: [
        { name: 'office', take_out: ['10.0.0.0/8', '192.0.2.0/24'] },
        { name: 'old', remove: true },
      ],
      aliases: [
        { name: 'printer', cidr: '192.0.2.9' },
        { name: 'scanner', remove: true },
      ],
    });
    expect(sent()).toEqual([
      ['PUT /aliases/printer', { cidr: '192.0.2.9', comment: 'second floor' }],
      ['DELETE /aliases/scanner', {}],
      ['DELETE /ipset/office/10.0.0.0/8', {}],
      ['DELETE /ipset/office/192.0.2.0/24', {}],
      ['DELETE /ipset/old', {}],
    ]);
    // Removing a whole set takes no digest: Proxmox refuses it while the set holds an address.
    expect(digests().slice(0, 4)).not.toContain(undefined);
    expect(await root('GET', `${BASE}/ipset/office`)).toEqual([]);
    expect(await root('GET', `${BASE}/aliases`)).toMatchObject([{ name: 'printer', cidr: '192.0.2.9', comment: 'second floor' }]);
  });

  it('that a rule uses are not removed', async () => {
    await root('POST', `${BASE}/ipset`, { name: 'office' });
    await given({ ...SSH, source: '+office' });
    expect(await refused({ ip_sets: [{ name: 'office', remove: true }] })).toMatchObject({
      code: 'not_possible',
      message: 'A rule of dev1 (105) uses the IP set office: in ACCEPT tcp dport 22 source +office.',
    });
    await approved({ ip_sets: [{ name: 'office', remove: true }], rules: [{ rule: await keyOf({ dport: '22' }), remove: true }] });
    expect(sent().map(([line]) => line)).toEqual(['DELETE /rules/0', 'DELETE /ipset/office']);
  });

  it.each([
    ['a set that does not exist', { ip_sets: [{ name: 'offices', remove: true }] }, 'dev1 (105) has no IP set offices.'],
    ['an alias that does not exist', { aliases: [{ name: 'printers', remove: true }] }, 'dev1 (105) has no alias printers.'],
    ['an alias without an address', { aliases: [{ name: 'printer' }] }, 'The alias printer needs cidr, its address or network.'],
    ['a name that Proxmox would refuse', { ip_sets: [{ name: '1st', add: [] }] }, '"1st" is not a name'],
    ['nothing', {}, 'update_firewall needs at least one change.'],
  ])('refuses %s', async (_what, args, message) => {
    expect((await refused(args)).message).toContain(message);
    expect(sent()).toEqual([]);
  });
});

describe('a guest at whose address the API is reached', () => {
  /** The guest answers at this address; the simulator stays where it is. */
  const through = (host: string) => world.another({ connection: { ...world.cluster.connection(), endpoints: [{ host, port: 8006 }] } });
  const plan = (engine: ReturnType<typeof through>, args: object) =>
    engine.perform('update_firewall', { vmid: 200, ...args }, agent, { dryRun: true });
  const ADDRESS = '10.77.0.200';

  it.each([
    ['switching it on', { enabled: true }],
    ['a rule that drops', { rules: [{ action: 'DROP', proto: 'tcp', dport: '8000:9000' }] }, { enable: '1', policy_in: 'ACCEPT' }],
    ['another policy', { policy_in: 'REJECT' }, { enable: '1', policy_in: 'ACCEPT' }],
    ['a policy that keeps it from the nodes', { policy_out: 'DROP' }, { enable: '1', policy_in: 'ACCEPT' }],
  ])('refuses %s', async (_what, args, options: Record<string, string> = {}) => {
    if (Object.keys(options).length > 0) await root('PUT', '/nodes/pve/lxc/200/firewall/options', options);
    ready();
    const error = await world.refused(plan(through(ADDRESS), args));
    expect(error).toMatchObject({
      code: 'not_possible',
      message: expect.stringMatching(/^This could cut this server off from the API: dns1 \(200\) is reached as 10\.77\.0\.200/),
    });
    expect(sent()).toEqual([]);
  });

  it.each([
    [
      'switching it on with a rule that lets every address in',
      { enabled: true, rules: [{ action: 'ACCEPT', proto: 'tcp', dport: '8006' }] },
    ],
    ['a rule about another port', { rules: [{ action: 'DROP', proto: 'tcp', dport: '25' }] }],
  ])('allows %s', async (_what, args) => {
    expect((await plan(through(ADDRESS), args)).kind).toBe('dry_run');
  });

  it('is known by its name, too, and other guests are free', async () => {
    expect((await world.refused(plan(through('dns1.example.invalid'), { enabled: true }))).code).toBe('not_possible');
    expect((await plan(through('10.77.0.199'), { enabled: true })).kind).toBe('dry_run');
  });

  it('is said to be unknown where the token cannot see the addresses of the guest', async () => {
    const token = await tokenWith(world.cluster, { '/vms': ['VM.Audit', 'VM.Config.Network'] });
    const connection = { ...world.cluster.connection(token), endpoints: [{ host: '192.0.2.1', port: 8006 }] };
    const engine = world.another({ connection }, { token });
    const ask = async (args: object) => {
      const result = await engine.perform('update_firewall', { vmid: 101, ...args }, agent, { dryRun: true });
      return result.kind === 'dry_run' ? result.plan.warnings[0] : result.kind;
    };
    expect(await ask({ enabled: true })).toBe(
      'whether web2 (101) carries connections to the API is unknown: the token lacks VM.GuestAgent.Audit (before 9.0: VM.Monitor), so addresses are unknown',
    );
    // The API would be let through.
    expect(await ask({ enabled: true, policy_in: 'ACCEPT' })).not.toContain('carries connections');
  });
});
