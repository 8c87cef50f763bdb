import { describe, expect, it } from 'vitest';
import { grantedAt, missingOf, missingPrivileges } from '../../../src/proxmox/access/privileges.ts';
import { privilegesAt } from '../../../src/proxmox/access/remembered.ts';

/** Answers like Proxmox: the value is the propagate flag, the key alone grants. */
function api(rights: Record<string, string[]>) {
  const asked: string[] = [];
  return {
    asked,
    get: async <T>(_: string, params: Record<string, string | number> = {}): Promise<T> => {
      const path = String(params.path);
      asked.push(path);
      return { [path]: Object.fromEntries((rights[path] ?? []).map((privilege) => [privilege, 0])) } as T;
    },
  };
}

it('counts a listed privilege as granted, whatever its propagate flag says', async () => {
  expect(await privilegesAt(api({ '/vms/105': ['VM.Audit'] }), '/vms/105')).toEqual(new Set(['VM.Audit']));
});

it('names what is missing, and asks for each path once', async () => {
  const one = api({ '/vms/105': ['VM.Audit', 'VM.Clone'] });
  const missing = await missingPrivileges(one, [
    { path: '/vms/105', anyOf: ['VM.Audit'] },
    { path: '/vms/105', anyOf: ['VM.PowerMgmt'] },
    { path: '/storage/local', anyOf: ['Datastore.Audit', 'Datastore.AllocateSpace'] },
    { path: '/vms/105', anyOf: ['VM.Backup', 'VM.Clone'] },
  ]);
  expect(missing).toEqual([
    { path: '/vms/105', privileges: ['VM.PowerMgmt'] },
    { path: '/storage/local', privileges: ['Datastore.Audit', 'Datastore.AllocateSpace'] },
  ]);
  expect(one.asked).toEqual(['/vms/105', '/storage/local']);
});

it('requests a granted path once for calls in a row, and calls nothing missing from memory alone', async () => {
  const rights: Record<string, string[]> = { '/vms/105': ['VM.Audit'] };
  const one = api(rights);
  const power = { path: '/vms/105', anyOf: ['VM.PowerMgmt'] };
  expect(await missingOf(one, { path: '/vms/105', anyOf: ['VM.Audit'] })).toEqual([]);
  expect(await missingOf(one, { path: '/vms/105', anyOf: ['VM.Audit'] })).toEqual([]);
  expect(one.asked).toEqual(['/vms/105']);
  expect(await missingOf(one, power)).toEqual([{ path: '/vms/105', privileges: ['VM.PowerMgmt'] }]);
  rights['/vms/105'] = ['VM.Audit', 'VM.PowerMgmt'];
  expect(await missingOf(one, power)).toEqual([]);
  expect(one.asked).toEqual(['/vms/105', '/vms/105', '/vms/105']);
});

describe('privileges on one path by the list of everything', () => {
  const granted = {
    '/': { 'Sys.Audit': 1, 'VM.Backup': 0 },
    '/vms': { 'VM.Audit': 1, 'VM.PowerMgmt': 0 },
    '/vms/105': {},
    '/vms/106': { 'VM.Backup': 0 },
  };
  it.each([
    ['/vms/106', ['VM.Backup']],
    ['/vms/105', []],
    ['/vms/107', ['VM.Audit']],
    ['/vms', ['VM.Audit', 'VM.PowerMgmt']],
    ['/storage/nas', ['Sys.Audit']],
  ])('%s', (path, privileges) => {
    expect([...grantedAt(granted, path)]).toEqual(privileges);
  });
});
