import { describe, expect, test } from 'vitest';
import { asError } from '../../../../../src/core/errors/errors.ts';
import { isSecret } from '../../../../../src/operations/secret.ts';
import { type CloudInit, cloudInit, cloudInitParams } from '../../../../../src/operations/vm/provision/cloud-init/cloud-init.ts';
import { cloudInitWarnings } from '../../../../../src/operations/vm/provision/cloud-init/warnings.ts';

const v9 = { version: '9.2.11', major: 9, minor: 2 };
const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG3YpeIBaTTlhi2POGbzN2E6csNN4Ye62MDV7ctb9jDv me@host';

function refusal(ci: CloudInit, version = v9) {
  try {
    cloudInitParams(ci, version);
  } catch (thrown) {
    return asError(thrown);
  }
  return undefined;
}

test('every option gets the name that Proxmox gives it', () => {
  const params = cloudInitParams(
    {
      user: 'ops',
      sshkeys: `${KEY}\r\n\n${KEY}`,
      ipconfig0: 'ip=10.0.0.5/24,gw=10.0.0.1',
      ipconfig1: 'ip6=auto',
      nameserver: '1.1.1.1, 2606:4700::1111',
      searchdomain: 'lan',
      ciupgrade: false,
    },
    v9,
  );
  expect(params).toEqual({
    ciuser: 'ops',
    sshkeys: `${encodeURIComponent(KEY)}%0A${encodeURIComponent(KEY)}`,
    ipconfig0: 'ip=10.0.0.5/24,gw=10.0.0.1',
    ipconfig1: 'ip6=auto',
    nameserver: '1.1.1.1 2606:4700::1111',
    searchdomain: 'lan',
    ciupgrade: false,
  });
});

test('the password is marked as a secret, and a plan carries the reference that stands for it', () => {
  expect(isSecret(cloudInit.shape.password.def.innerType)).toBe(true);
  const concealed = { password: { $secret: 'abc' } } as unknown as CloudInit;
  expect(cloudInitParams(concealed, v9)).toEqual({ cipassword: { $secret: 'abc' } });
});

describe('refused before it is sent', () => {
  test.each([
    ['a comment line among the keys', { sshkeys: `# mine\n${KEY}` }, /Line 1/],
    ['an address without prefix length', { ipconfig0: 'ip=10.0.0.5' }, /prefix length/],
    ['an impossible prefix length', { ipconfig0: 'ip=10.0.0.5/33' }, /prefix length/],
    ['two prefix lengths', { ipconfig0: 'ip=10.0.0.5/24/8' }, /prefix length/],
    ['a gateway beside dhcp', { ipconfig0: 'ip=dhcp,gw=10.0.0.1' }, /static ip/],
    ['a gateway of the wrong family', { ipconfig0: 'ip=10.0.0.5/24,gw=fe80::1' }, /IPv4/],
    ['an unknown word', { ipconfig0: 'dhcp' }, /not one of ip=/],
    ['an address without its key', { ipconfig0: '10.77.0.9/24' }, /write "ip=10\.77\.0\.9\/24"/],
    ['dhcp without its key', { ipconfig0: 'dhcp' }, /write "ip=dhcp"/],
    ['an IPv6 address without its key', { ipconfig1: '2001:db8::5/64' }, /write "ip6=2001:db8::5\/64"/],
    ['a key twice', { ipconfig0: 'ip=10.0.0.5/24,ip=10.0.0.6/24' }, /ip is given twice/],
    ['a prefix length with a leading zero', { ipconfig0: 'ip=10.0.0.5/024' }, /prefix length/],
    ['a gateway with a zone', { ipconfig0: 'ip6=2001:db8::5/64,gw6=fe80::1%eth0' }, /IPv6/],
    ['a nameserver that is not one', { nameserver: 'dns' }, /not an IP address/],
    ['a nameserver with a zone', { nameserver: '::1%eth0' }, /without a zone/],
  ])('%s', (_what, ci, message) => {
    const error = refusal(ci);
    expect(error?.code).toBe('invalid_arguments');
    expect(error?.message).toMatch(message);
  });

  test('ciupgrade on 7.x', () => {
    expect(refusal({ ciupgrade: true }, { version: '7.4-17', major: 7, minor: 4 })?.code).toBe('unsupported_version');
  });
});

test('warns when no user could log in', () => {
  expect(cloudInitWarnings({}, { ciuser: 'ops' })).toHaveLength(1);
  expect(cloudInitWarnings({}, { sshkeys: 'x' })).toEqual([]);
});

describe('a setting without its apparent effect is reported beforehand', () => {
  const card = { net0: 'virtio', sshkeys: 'x' };
  test.each([
    ['an address without its network card', { ipconfig0: 'ip=dhcp', ipconfig1: 'ip=10.0.0.9/24' }, card, 'ipconfig1 has no effect'],
    ['a gateway outside of the subnet', { ipconfig0: 'ip=10.0.0.9/24,gw=10.0.1.1' }, card, 'gateway 10.0.1.1 is outside of 10.0.0.9/24'],
    ['the same for IPv6', { ipconfig0: 'ip6=2001:db8::9/64,gw6=2001:db8:1::1' }, card, 'gateway 2001:db8:1::1 is outside'],
    [
      'one address for two cards',
      { ipconfig0: 'ip=10.0.0.9/24', ipconfig1: 'ip=10.0.0.9/24' },
      { ...card, net1: 'virtio' },
      '10.0.0.9 is given twice: as ipconfig0 and as ipconfig1',
    ],
    [
      'the address of a network itself',
      { ipconfig0: 'ip=10.0.0.0/24' },
      card,
      'ipconfig0: 10.0.0.0 is the network address of its /24, which no guest can have',
    ],
    ['the broadcast address', { ipconfig0: 'ip=10.0.3.255/22' }, card, '10.0.3.255 is the broadcast address of its /22'],
    [
      'a gateway that is the guest',
      { ipconfig0: 'ip=10.0.0.9/24,gw=10.0.0.9' },
      card,
      'gateway 10.0.0.9 is the address of the guest itself',
    ],
    ['an address that leads nowhere', { ipconfig0: 'ip6=::1/128' }, card, '::1 leads to no other machine'],
    ['a multicast address', { ipconfig0: 'ip=224.0.0.9/24' }, card, '224.0.0.9 is a multicast or reserved address'],
    ['a multicast address of IPv6', { ipconfig0: 'ip6=ff02::1/64' }, card, 'ff02::1 is a multicast or reserved address'],
    ['the broadcast address of all', { ipconfig0: 'ip=255.255.255.255/32' }, card, '255.255.255.255 is a multicast or reserved address'],
    [
      'a template whose cicustom replaces user data',
      { user: 'ops', password: 'x' },
      { ...card, cicustom: 'user=local:snippets/base.yaml' },
      'cicustom (user=local:snippets/base.yaml) replaces user data: user, password are ignored',
    ],
    [
      'or network data',
      { ipconfig0: 'ip=dhcp' },
      { ...card, cicustom: 'network=local:snippets/net.yaml' },
      'replaces network data: ipconfig0 is ignored',
    ],
  ])('%s', (_what, asked, config, warning) => {
    expect(cloudInitWarnings(asked, config)).toEqual([expect.stringContaining(warning)]);
  });
  test.each([
    [{ ipconfig0: 'ip=10.0.0.9/24,gw=10.0.0.1' }, card],
    [{ ipconfig0: 'ip=203.0.113.7/32,gw=10.0.0.1' }, card],
    [{ ipconfig0: 'ip=10.0.0.0/31,gw=10.0.0.1' }, card],
    [{ ipconfig0: 'ip=10.0.0.255/22,gw=10.0.0.1' }, card],
    [{ ipconfig0: 'ip6=fe80::9/64' }, card],
    [{ ipconfig0: 'ip6=2001:db8::9/64,gw6=fe80::1' }, card],
    [{ ipconfig0: 'ip=dhcp,ip6=auto' }, card],
    [{ user: 'ops' }, { ...card, cicustom: 'network=local:snippets/net.yaml' }],
    [{}, { net0: 'virtio', cicustom: 'user=local:snippets/base.yaml' }],
  ])('nothing about %j', (asked, config) => {
    expect(cloudInitWarnings(asked, config)).toEqual([]);
  });
});
