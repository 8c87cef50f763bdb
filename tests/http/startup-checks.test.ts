import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { HttpSettings, Settings } from '../../src/core/settings/settings.ts';
import { checkSharedKey, checkTransport, ownHosts, ownOrigins } from '../../src/http/startup-checks.ts';
import type { Store } from '../../src/store/index.ts';

const at = (host: string, publicUrl?: string) =>
  ({
    host,
    publicUrls: publicUrl === undefined ? [] : [publicUrl],
    trustedProxies: [],
    port: 0,
    perMinute: 600,
    replica: 'a',
  }) satisfies HttpSettings;

test('people are sent to the public address, else to the one that is served', () => {
  expect(ownOrigins(at('0.0.0.0', 'https://mcp.example.org'), 'http', 8808)[0]).toBe('https://mcp.example.org');
  expect(ownOrigins(at('192.0.2.7'), 'https', 8808)[0]).toBe('https://192.0.2.7:8808');
  expect(ownOrigins(at('2001:db8::1'), 'https', 8808)[0]).toBe('https://[2001:db8::1]:8808');
  expect(ownOrigins(at('127.0.0.1'), 'http', 8808)).toEqual(['http://127.0.0.1:8808', 'http://localhost:8808', 'http://[::1]:8808']);
});

test('origins are written as browsers write them: without the default port', () => {
  expect(ownOrigins(at('127.0.0.1'), 'https', 443)).toContain('https://localhost');
  expect(ownOrigins(at('127.0.0.1'), 'http', 80)).toContain('http://localhost');
});

test('the hosts that are accepted are those of the origins', () => {
  for (const settings of [at('192.0.2.7'), at('::1'), at('0.0.0.0', 'https://mcp.example.org')]) {
    const names = ownOrigins(settings, 'https', 8808).map((origin) => new URL(origin).hostname);
    expect(ownHosts(settings)).toEqual(expect.arrayContaining(names));
  }
});

test.each(['0.0.0.0', '::', '::0', '0:0:0:0:0:0:0:0'])('on %s the server needs its public name', (host) => {
  expect(() => checkTransport(at(host), 'https')).toThrow('does not know its public name');
  checkTransport(at(host, 'https://mcp.example.org'), 'https');
});

test.each(['localhost', '127.0.0.1', '127.0.0.2', '::1'])('on %s tokens may travel unencrypted: they do not leave the machine', (host) => {
  checkTransport(at(host), 'http');
});

describe('the key that all servers on one database share', () => {
  const checked = async (dataDir: string, keys: Map<string, string>) => {
    const shared = async (name: string, value: string) => {
      expect(value).toMatch(/./);
      if (!keys.has(name)) keys.set(name, value);
      return keys.get(name) ?? '';
    };
    await checkSharedKey({ databaseUrl: 'postgres://db', dataDir } as Settings, { keys: { shared } } as unknown as Store);
  };

  test('the same key passes, another one is refused', async () => {
    const folders = ['a', 'b', 'c'].map((name) => mkdtempSync(join(tmpdir(), `key-${name}-`)));
    folders.forEach((folder, n) => {
      writeFileSync(join(folder, 'secret.key'), Buffer.alloc(32, n < 2 ? 7 : 8), { mode: 0o600 });
    });
    const [a = '', b = '', c = ''] = folders;
    const keys = new Map<string, string>();
    await checked(a, keys);
    await checked(b, keys);
    await expect(checked(c, keys)).rejects.toMatchObject({ code: 'invalid_configuration' });
    for (const folder of folders) rmSync(folder, { recursive: true });
  });
});
