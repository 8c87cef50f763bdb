import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decoded } from '../../../src/core/text/text.ts';
import { disksOf } from '../../../src/proxmox/guest/disks.ts';
import { form, path, urlFor } from '../../../src/proxmox/guest/encode.ts';
import {
  agentEnabled,
  formatProperties,
  formatSizeGib,
  parseNet,
  parseProperties,
  parseSizeGib,
} from '../../../src/proxmox/guest/property-strings.ts';
import { encodeSshKeys } from '../../../src/proxmox/guest/ssh-keys.ts';
import { limitPerKey } from '../../../src/proxmox/transport/limit.ts';
import { atLeast, parseVersion } from '../../../src/proxmox/version.ts';

const here = { host: '127.0.0.1', port: 8006 };
const invalid = expect.objectContaining({ code: 'invalid_arguments' });

describe('paths', () => {
  it('keep every segment one segment', () => {
    expect(path`/nodes/${'pve'}/storage/${'local'}/content/${'local:iso/a b.iso'}`).toBe(
      '/nodes/pve/storage/local/content/local%3Aiso%2Fa%20b.iso',
    );
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1 }), (text) => {
        if (text === '.' || text === '..') return;
        const made = path`/a/${text}/b`;
        const segments = urlFor(here, made, '').pathname.split('/');
        expect(segments.length).toBe(6);
        expect(decodeURIComponent(segments[4] ?? '')).toBe(text);
      }),
    );
  });

  it.each(['', '.', '..'])('refuse the segment "%s"', (text) => {
    expect(() => path`/nodes/${text}/qemu`).toThrow(invalid);
  });

  it('reach IPv6 addresses', () => {
    expect(urlFor({ host: '::1', port: 8006 }, '/version', 'a=1').href).toBe('https://[::1]:8006/api2/json/version?a=1');
  });
});

describe('forms', () => {
  it('write booleans, numbers and lists as Proxmox reads them', () => {
    expect(form({ start: true, onboot: false, cores: 2, command: ['ls', '-l; a=b&c'] })).toBe(
      'start=1&onboot=0&cores=2&command=ls&command=-l%3B+a%3Db%26c',
    );
  });

  it('arrive as they were', () => {
    const value = fc.string({ unit: 'grapheme', minLength: 1 });
    fc.assert(
      fc.property(fc.dictionary(fc.stringMatching(/^[a-z]{1,8}\d?$/), value), (params) => {
        expect(Object.fromEntries(new URLSearchParams(form(params)))).toEqual({ ...params });
      }),
    );
  });

  it('hold no empty value, which Proxmox would read as absent', () => {
    expect(() => form({ description: '' })).toThrow(expect.objectContaining({ code: 'internal' }));
  });
});

describe('property strings', () => {
  it('survive reading and writing', () => {
    const name = fc.stringMatching(/^[a-z][a-z0-9_]{0,8}$/);
    const value = fc.stringMatching(/^[A-Za-z0-9:/._=-]{1,12}$/);
    fc.assert(
      fc.property(fc.dictionary(name, value, { noNullPrototype: true }), (properties) => {
        expect(parseProperties(formatProperties(properties), 'bare')).toEqual(properties);
      }),
    );
  });

  it('put the bare value first', () => {
    expect(formatProperties({ size: '32G', volume: 'local:1' }, 'volume')).toBe('local:1,size=32G');
    expect(formatProperties({ ip: 'dhcp' })).toBe('ip=dhcp');
  });

  it('take no value that would add a property', () => {
    for (const bad of ['a,b=c', 'a\nb']) expect(() => formatProperties({ x: bad })).toThrow(invalid);
  });

  it('read network devices with their MAC', () => {
    const text = 'virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=20';
    expect(parseNet(text)).toEqual({ model: 'virtio', mac: 'BC:24:11:00:00:01', options: { bridge: 'vmbr0', tag: '20' } });
    expect(parseNet('model=e1000,macaddr=AA:BB:CC:00:00:01,bridge=vmbr1')).toEqual({
      model: 'e1000',
      mac: 'AA:BB:CC:00:00:01',
      options: { bridge: 'vmbr1' },
    });
    expect(parseNet('virtio,bridge=vmbr0')).toEqual({ model: 'virtio', options: { bridge: 'vmbr0' } });
  });

  it('read the size of a disk', () => {
    const config = { scsi0: 'local-lvm:vm-105-disk-0,iothread=1,size=32G', scsi1: 'local:1,size=528K', scsi2: 'local-lvm:vm-105-disk-2' };
    expect(disksOf(config).map(({ sizeGib }) => sizeGib)).toEqual([32, 528 / 2 ** 20, undefined]);
  });

  it('read and write sizes', () => {
    expect(['32G', '512M', '1.5T', '1073741824', '4K'].map(parseSizeGib)).toEqual([32, 0.5, 1536, 1, 4 / 2 ** 20]);
    for (const bad of ['', 'G', '32GB', '-1G', '+4G']) expect(parseSizeGib(bad)).toBeUndefined();
    expect([formatSizeGib(32), formatSizeGib(0.5)]).toEqual(['32G', '512M']);
  });

  it('tell whether the agent is enabled', () => {
    expect(['1', 1, 'enabled=1,fstrim_cloned_disks=1', '1,type=virtio', 'yes'].every(agentEnabled)).toBe(true);
    expect([undefined, '0', 0, 'enabled=0', 'type=virtio'].some(agentEnabled)).toBe(false);
  });
});

describe('SSH keys', () => {
  const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOJSszvo7r43GrF7St+QqPivQ3ANxwqG/MFBPolQDW3H a@b c';

  it('are encoded as Proxmox checks them, and read back', () => {
    const value = encodeSshKeys(`${key}\r\n\n${key}\n`);
    expect(value).toMatch(/^[-%a-zA-Z0-9_.!~*'()]*$/);
    expect(value).toBe(`${encodeURIComponent(key)}%0A${encodeURIComponent(key)}`);
    expect(decoded(value)).toBe(`${key}\n${key}`);
    expect(decoded('%')).toBe('%');
  });

  it('may carry options', () => {
    expect(() => encodeSshKeys(`no-pty,command="x y" ${key}`)).not.toThrow();
  });

  it.each([
    `# a comment`,
    `#${key}`,
    'ssh-ed25519',
    'ssh-ed25519 AAAA',
    key.replace('ssh-ed25519 ', 'ssh-rsa '),
    key.replace('DW3H', ''),
    'hello world',
  ])('are refused before sending, with the line: %s', (bad) => {
    expect(() => encodeSshKeys(`${key}\n${bad}`)).toThrow(/^Line 2 of the SSH keys/);
  });
});

it('a private key among the SSH keys is refused as such, with the advice to replace it', () => {
  const pasted = '-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n-----END OPENSSH PRIVATE KEY-----';
  expect(() => encodeSshKeys(pasted)).toThrow(
    expect.objectContaining({
      code: 'invalid_arguments',
      message: 'Line 1 of the SSH keys begins a private key. It was not sent.',
      hint: expect.stringContaining('replace this key'),
    }),
  );
});

it('reads versions', () => {
  expect(['9.2.11', '8.4.1', '7.4-17'].map(parseVersion).map(({ major, minor }) => [major, minor])).toEqual([
    [9, 2],
    [8, 4],
    [7, 4],
  ]);
  expect(() => parseVersion('hello')).toThrow(expect.objectContaining({ code: 'proxmox_refused' }));
  const version = parseVersion('8.2.4');
  expect([atLeast(version, 8, 2), atLeast(version, 7, 4), atLeast(version, 8, 3), atLeast(version, 9, 0)]).toEqual([
    true,
    true,
    false,
    false,
  ]);
});

it('limits what is in flight for each key, in order', async () => {
  const limit = limitPerKey(2);
  const [begun, finish]: [string[], (() => void)[]] = [[], []];
  const work = (key: string, name: string) =>
    limit(key, () => {
      begun.push(name);
      return new Promise<void>((resolve) => finish.push(resolve));
    });
  const all = [work('a', '1'), work('a', '2'), work('a', '3'), work('a', '4'), work('b', '5')];
  await expect.poll(() => begun).toEqual(['1', '2', '5']);
  finish[0]?.();
  await expect.poll(() => begun).toEqual(['1', '2', '5', '3']);
  await expect(limit('c', () => Promise.reject(new Error('x')))).rejects.toThrow('x');
  expect(await limit('c', async () => 'free again')).toBe('free again');
  for (let done = 1; done < 5; done++) {
    await expect.poll(() => finish.length).toBeGreaterThan(done);
    finish[done]?.();
  }
  await Promise.all(all);
});
