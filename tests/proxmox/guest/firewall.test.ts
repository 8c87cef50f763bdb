import { expect, it } from 'vitest';
import { readFirewall, ruleKeys, ruleText } from '../../../src/proxmox/guest/firewall.ts';
import { contentOf, digestOfList } from '../../../src/proxmox/listed.ts';

// Recorded from Proxmox VE 9.2: the list after four requests and a move.
const digest = 'fc1341c54b508c673696b5ce1a1b9f40d3f47212';
const RULES = [
  { digest, enable: 0, pos: 0, action: 'nogroup', type: 'group' },
  { action: 'REJECT', dest: '10.0.0.0/8', digest, enable: 0, ipversion: 4, pos: 1, type: 'out' },
  { type: 'in', dport: '22', digest, enable: 1, pos: 2, proto: 'tcp', action: 'ACCEPT', comment: 'ssh' },
  { action: 'ACCEPT', comment: 'ssh', type: 'in', proto: 'tcp', pos: 3, enable: 1, digest, dport: '22' },
];
const answers: Record<string, unknown> = {
  '/nodes/pve/qemu/200/firewall/options': { digest: 'b5b4b38b0ccd39fc3c426236926bf532647addaf', enable: 1, policy_in: 'DROP' },
  '/nodes/pve/qemu/200/firewall/rules': RULES.toReversed(),
};
const api = { get: async <T>(path: string) => answers[path] as T };
const read = () => readFirewall(api, { node: 'pve', type: 'qemu', vmid: 200 });

it('reads options with the defaults of Proxmox, rules in their order, and the digest of each', async () => {
  const { options, rules, digests } = await read();
  expect(options).toMatchObject({ enable: '1', policy_in: 'DROP', policy_out: 'ACCEPT', macfilter: '1', ipfilter: '0' });
  expect(digests).toEqual({ options: 'b5b4b38b0ccd39fc3c426236926bf532647addaf', rules: digest });
  expect(rules.map(ruleText)).toEqual([
    'group nogroup (off)',
    'out REJECT dest 10.0.0.0/8 (off)',
    'in ACCEPT tcp dport 22',
    'in ACCEPT tcp dport 22',
  ]);
});

it('gives each rule a key of its own, which rules before it do not change', async () => {
  const { rules } = await read();
  const keys = ruleKeys(rules);
  expect(new Set(keys).size).toBe(4);
  expect(ruleKeys(rules.slice(1))).toEqual(keys.slice(1));
  expect(ruleKeys(rules.map((rule) => ({ ...rule, enable: '1', comment: 'x', log: 'info' })))).toEqual(keys);
});

it('the content of a list is the same as sent and as Proxmox answers it, and differs for other lists', () => {
  const sent = RULES.map(({ digest: _digest, pos, enable, ...rule }) => ({
    ...rule,
    pos: String(pos),
    enable: String(enable),
    ipversion: undefined,
  }));
  expect(contentOf(sent)).toBe(contentOf(RULES));
  expect(contentOf(sent.toReversed())).toBe(contentOf(RULES));
  expect(contentOf(sent.slice(1))).not.toBe(contentOf(RULES));
  expect(contentOf(sent.map((rule, pos) => ({ ...rule, pos: String((pos + 1) % 4) })))).not.toBe(contentOf(RULES));
});

it('an empty list has the digest of nothing', () => {
  expect(digestOfList(RULES)).toBe(digest);
  // Recorded for options of which none is set.
  expect(digestOfList([])).toBe('da39a3ee5e6b4b0d3255bfef95601890afd80709');
});
