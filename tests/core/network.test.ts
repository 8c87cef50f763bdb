import { describe, expect, it, test } from 'vitest';
import {
  inUrl,
  ipVersion,
  isLinkLocal,
  isLoopback,
  isPrivate,
  isThisMachine,
  isUnspecified,
  LOCAL_NAMES,
  networks,
  parseNetwork,
  plainAddress,
  sameAddress,
  staysHere,
  withoutZone,
} from '../../src/core/network.ts';

describe('a network', () => {
  const wrong = ['10.0.0.0/33', '::/129', 'x', 'x/8', '', '10.0.0.0/', '10.0.0.0/x8', '10.0.0.0/8x', '10.0.0.0/-1', '10.0.0.0/1.5'];
  it.each([...wrong, '10.0.0.0/08', '10.0.0.0/8/8', 'fe80::%eth0/10', 'localhost'])('is not "%s"', (text) => {
    expect(parseNetwork(text)).toBeUndefined();
    expect(() => networks([text])).toThrow(expect.objectContaining({ code: 'invalid_arguments' }));
  });
  it('is an address with a length of bits, or a single address', () => {
    expect(parseNetwork('10.0.0.5/24')).toEqual({ address: '10.0.0.5', prefix: 24, version: 4 });
    expect(parseNetwork('::/0')).toEqual({ address: '::', prefix: 0, version: 6 });
    expect(parseNetwork('192.0.2.7')).toEqual({ address: '192.0.2.7', prefix: 32, version: 4 });
    expect(parseNetwork('2001:db8::1')).toEqual({ address: '2001:db8::1', prefix: 128, version: 6 });
  });
  it('contains its addresses, and the IPv6 form of its IPv4 addresses', () => {
    const inside = networks(['10.0.0.0/8', '192.0.2.0/32', '198.51.100.7', '2001:db8::1', 'fd00::/128']);
    for (const yes of ['10.255.0.1', '192.0.2.0', '198.51.100.7', '2001:db8::1', 'fd00::', '::ffff:10.0.0.1', '::FFFF:198.51.100.7'])
      expect(inside(yes), yes).toBe(true);
    expect(inside('::ffff:a00:1'), '10.0.0.1 in hexadecimal').toBe(true);
    for (const no of ['192.0.2.1', '198.51.100.8', '2001:db8::2', 'fd00::1', 'x', '', 'localhost']) expect(inside(no), no).toBe(false);
    expect(networks(['0.0.0.0/0'])('203.0.113.1')).toBe(true);
    expect(networks(['0.0.0.0/0'])('2001:db8::1')).toBe(false);
    expect(networks(['::/0'])('2001:db8::1')).toBe(true);
    expect(networks(['fe80::/10'])('fe80::1%eth0'), 'a zone does not count').toBe(true);
    expect(networks([])('10.0.0.1')).toBe(false);
  });
});

const KINDS = { isLoopback, isLinkLocal, isUnspecified, isPrivate, staysHere };

test.each<[keyof typeof KINDS, string[], string[]]>([
  [
    'isLoopback',
    ['127.0.0.1', '127.8.8.8', '::1', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1', '::ffff:7f00:1'],
    ['128.0.0.1', '::2', '::', '10.0.0.1', 'localhost', ''],
  ],
  ['isLinkLocal', ['169.254.9.9', 'fe80::1', 'FEA0::2', 'febf::5', 'fe80::1%eth0'], ['169.253.0.1', 'fec0::1', '::1', '']],
  ['isUnspecified', ['0.0.0.0', '::', '0:0:0:0:0:0:0:0', '::0'], ['0.0.0.1', '::1', '']],
  [
    'isPrivate',
    ['127.0.0.1', '::1', '10.1.2.3', '172.31.0.1', '192.168.1.1', '169.254.0.1', 'fd00::1', 'fe80::1', 'fe80::1%eth0', '::ffff:10.0.0.1'],
    ['8.8.8.8', '172.32.0.1', '192.0.2.1', '2001:db8::1', '::ffff:8.8.8.8', 'localhost', ''],
  ],
  [
    'staysHere',
    ['127.3.2.1', '::1', '::ffff:127.0.0.1', '169.254.9.9', 'fe80::1', 'fe90::1', '0.0.0.0', '0.1.2.3', '::', '::ffff:169.254.1.1'],
    ['10.0.0.5', '192.168.1.1', '2001:db8::1', 'fd00::1', '::ffff:10.0.0.1'],
  ],
])('%s', (name, yes, no) => {
  for (const address of yes) expect(KINDS[name](address), address).toBe(true);
  for (const address of no) expect(KINDS[name](address), address).toBe(false);
});

test('this machine is "localhost" or a loopback address, as settings and URLs write it', () => {
  for (const host of [...LOCAL_NAMES, '::1', '127.0.0.2', '[::ffff:7f00:1]']) expect(isThisMachine(host), host).toBe(true);
  for (const host of ['localhost.example.org', '127.0.0.1.example.org', '0.0.0.0', '::', '10.0.0.1', '[::2]', 'x[::1]', '[::1]x', ''])
    expect(isThisMachine(host), host).toBe(false);
});

test('an IPv4 address that arrives on an IPv6 socket is an IPv4 address; other texts stay', () => {
  expect(plainAddress('::ffff:10.20.0.1')).toBe('10.20.0.1');
  for (const as of ['::ffff:a.1', '::ffff:1234:1', '1::ffff:10.0.0.1', '10.0.0.1']) expect(plainAddress(as)).toBe(as);
});

test('two spellings of one address are the same, texts that are not addresses are not', () => {
  expect(sameAddress('2001:db8::1', '2001:DB8:0:0::1')).toBe(true);
  expect(sameAddress('10.0.0.1', '10.0.0.1')).toBe(true);
  expect(sameAddress('10.0.0.1', '::ffff:10.0.0.1')).toBe(true);
  for (const [a, b] of [
    ['10.0.0.1', '10.0.0.2'],
    ['10.0.0.1', '2001:db8::1'],
    ['dhcp', 'dhcp'],
    ['', ''],
  ] as const)
    expect(sameAddress(a, b), `${a} ${b}`).toBe(false);
});

test('a zone belongs to this machine: an address with one has no version elsewhere', () => {
  expect([ipVersion('10.0.0.1'), ipVersion('fe80::1'), ipVersion('fe80::1%eth0'), ipVersion('x')]).toEqual([4, 6, undefined, undefined]);
  expect(withoutZone('fe80::1%eth0')).toBe('fe80::1');
});

test('URLs write an IPv6 address in brackets', () => {
  expect(['pve.example.org', '10.0.0.1', '2001:db8::1'].map(inUrl)).toEqual(['pve.example.org', '10.0.0.1', '[2001:db8::1]']);
});
