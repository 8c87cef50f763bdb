import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ProxmoxMcpError } from '../../../src/core/errors/errors.ts';
import { authorityOf, heldTrust } from '../../../src/proxmox/trust/authority.ts';
import { memoryTrustStore, type Pin } from '../../../src/proxmox/trust/store.ts';
import { withSimulator } from '../../helpers/simulator.ts';

const pinOf = (fingerprint: string): Pin => ({ kind: 'ca', pem: '', fingerprint, since: '2026-01-01T00:00:00.000Z' });

describe('the authority that identifies a cluster', () => {
  const cluster = withSimulator();

  it('is the cluster’s own, whatever vouches for its certificate', async () => {
    const own = new X509Certificate(cluster().simulator.ca).fingerprint256;
    expect(await authorityOf(cluster().open(), undefined)).toBe(own);
    const leaf: Pin = { kind: 'leaf', fingerprints: [cluster().simulator.fingerprint], since: '' };
    expect(await authorityOf(cluster().open(), leaf)).toBe(own);
  });

  it('costs no request where it is pinned', async () => {
    expect(await authorityOf(cluster().open(), pinOf('AA:BB'))).toBe('AA:BB');
    expect(cluster().requests).toEqual([]);
  });

  it('comes from another node where one does not answer, and is unknown where none does', async () => {
    cluster().simulator.faults.add({ match: { path: '/nodes/pve/certificates/info$' }, action: 'status', status: 595, reason: 'no route' });
    expect(await authorityOf(cluster().open(), undefined)).toBe(new X509Certificate(cluster().simulator.ca).fingerprint256);
    cluster().simulator.faults.add({ match: { path: '/certificates/info$' }, action: 'status', status: 595, reason: 'no route' });
    await expect(authorityOf(cluster().open(), undefined)).rejects.toBeInstanceOf(ProxmoxMcpError);
  });
});

it('a process that knows its cluster does not follow a pin that comes to mean another one', () => {
  const store = memoryTrustStore();
  const trust = heldTrust(store);
  store.set('home', pinOf('AA'));
  expect(trust.get('home')).toMatchObject({ fingerprint: 'AA' });
  trust.hold('AA');
  store.set('home', { ...pinOf('AA'), since: 'later' });
  expect(trust.get('home')).toMatchObject({ since: 'later' });
  store.set('home', pinOf('BB'));
  expect(trust.get('home')).toMatchObject({ fingerprint: 'AA' });
});
