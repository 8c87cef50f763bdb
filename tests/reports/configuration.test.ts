import { describe, expect, test } from 'vitest';
import { endpoints, tokenId } from '../../src/config/values.ts';
import { asError } from '../../src/core/errors/errors.ts';
import { refusalOf } from '../../src/proxmox/answers/errors.ts';
import { inspectTls } from '../../src/proxmox/trust/inspect.ts';

describe('community-scripts/ProxmoxVE-Local#304: a link-local host with its interface', () => {
  test.each([
    ['fe80::be24:11ff:fe28:30db%eth0', [{ host: 'fe80::be24:11ff:fe28:30db%eth0' }]],
    ['[fe80::1%25eth0]:8006', [{ host: 'fe80::1%eth0', port: 8006 }]],
  ])('%s', (written, read) => {
    expect(endpoints.parse(written)).toEqual(read);
  });
});

describe('values copied from another place', () => {
  test('the address of the browser', () => {
    expect(endpoints.parse('https://pve.example.org:8006/#v1:0:18')).toEqual([{ host: 'pve.example.org', port: 8006 }]);
  });
  test('an Authorization header is not a token id, and the error shows the form of one', () => {
    for (const written of ['PVEAPIToken=root@pam!x', 'PVEAPIToken=root@pam!x=0000-secret']) {
      const { success, error } = tokenId.safeParse(written);
      expect(success).toBe(false);
      expect(error?.issues[0]?.message).toContain('mcp@pve!agent');
      expect(error?.issues[0]?.message).not.toContain('0000-secret');
    }
  });
});

describe('a proxy in front of Proxmox that answers itself', () => {
  const reply = (status: number, reason: string, body: string) =>
    refusalOf({ status, reason, body }, { method: 'GET', path: '/cluster/resources', params: {}, tokenId: 'mcp@pve!agent' }).error;
  test('a redirect to its login page is reported as one, not as “Found.”', () => {
    const error = reply(302, 'Found', '');
    expect(error.message).toContain('redirect (302)');
    expect(error.hint).toContain('PROXMOX_HOST');
  });
  test('a page with 403 asks for no privilege of Proxmox', () => {
    const error = reply(403, 'Forbidden', '<!DOCTYPE html><html>Attention Required!</html>');
    expect(error.code).toBe('proxmox_refused');
    expect(`${error.message} ${error.hint}`).not.toContain('privilege');
  });
});

describe('an address of a proxy, copied from the browser without the port of https://', () => {
  test('the error of a name that does not answer on 8006 says how to name the port', async () => {
    const error = asError(await inspectTls({ host: 'pve.invalid', port: 8006 }).catch((thrown: unknown) => thrown));
    expect(error.code).toBe('unreachable');
    expect(error.hint).toContain('PROXMOX_HOST=https://pve.invalid:443');
  });
  test('that of an address, or of another port, does not', async () => {
    for (const endpoint of [
      { host: '127.0.0.1', port: 1 },
      { host: 'pve.invalid', port: 443 },
    ]) {
      const error = asError(await inspectTls(endpoint).catch((thrown: unknown) => thrown));
      expect(error.hint).not.toContain('proxy?');
    }
  });
});
