import { expect, test } from 'vitest';
import { ownHosts, ownOrigins } from '../../src/cli/http-checks.ts';
import type { HttpSettings } from '../../src/core/settings.ts';

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
