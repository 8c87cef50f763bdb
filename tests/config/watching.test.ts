import { homedir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { describe as described } from '../../src/config/schema.ts';
import { toSettings } from '../../src/config/settings.ts';

const load = (env: Record<string, string>) => loadConfig({ env: { XDG_CONFIG_HOME: '/nonexistent', ...env }, systemFile: '/nonexistent' });
const settings = (env: Record<string, string>, demo = false) => toSettings(load(env), { env, demo });

describe('where checkpoints of the audit go', () => {
  test.each([
    ['/var/log/anchor.log', { kind: 'file', path: '/var/log/anchor.log' }],
    ['~/anchor.log', { kind: 'file', path: join(homedir(), 'anchor.log') }],
    ['syslog:', { kind: 'syslog', port: 514 }],
    ['syslog:5514', { kind: 'syslog', port: 5514 }],
    ['https://log.example.org/in?token=x', { kind: 'http', url: 'https://log.example.org/in?token=x' }],
    ['http://127.0.0.1:8080/', { kind: 'http', url: 'http://127.0.0.1:8080/' }],
  ])('%s', (text, place) => {
    expect(settings({ PROXMOX_AUDIT_ANCHOR: text }).auditAnchor).toEqual(place);
  });

  test.each(['anchor.log', 'syslog:70000', 'syslog:host', 'http://log.example.org/', 'ftp://x/canary'])(
    '%s is refused and not repeated',
    (text) => {
      expect(() => load({ PROXMOX_AUDIT_ANCHOR: text })).toThrow(expect.objectContaining({ code: 'invalid_configuration' }));
      expect(() => load({ PROXMOX_AUDIT_ANCHOR: text })).not.toThrow(/canary/);
    },
  );

  test('nowhere by default, and never for the demo, which has a key of its own', () => {
    expect(settings({}).auditAnchor).toBeUndefined();
    expect(settings({ PROXMOX_AUDIT_ANCHOR: '/var/log/anchor.log' }, true).auditAnchor).toBeUndefined();
  });
});

describe('where approvals are announced', () => {
  test('nowhere by default; as JSON unless another kind is set', () => {
    expect(settings({}).notify).toBeUndefined();
    expect(settings({ PROXMOX_NOTIFY_URL: 'https://x.example.org/hook' }).notify).toEqual({
      url: 'https://x.example.org/hook',
      kind: 'json',
    });
  });

  test('with a link to the console, whether its address ends with a slash or not', () => {
    const env = {
      PROXMOX_NOTIFY_URL: 'https://ntfy.sh/topic',
      PROXMOX_NOTIFY_KIND: 'ntfy',
      PROXMOX_CONSOLE_URL: 'https://mcp.example.org/console//',
    };
    expect(settings(env).notify).toEqual({ url: 'https://ntfy.sh/topic', kind: 'ntfy', consoleUrl: 'https://mcp.example.org/console' });
  });

  test('addresses that may hold a secret are never shown', () => {
    expect(described('PROXMOX_NOTIFY_URL').secret).toBe(true);
    expect(described('PROXMOX_AUDIT_ANCHOR').secret).toBe(true);
  });
});
