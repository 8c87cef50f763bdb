import { afterEach, expect, it, vi } from 'vitest';
import {
  byLatePrivileges,
  changesRights,
  forgetPrivileges,
  type Has,
  privilegesAt,
  sameToken,
} from '../../../src/proxmox/access/remembered.ts';
import { sightOf } from '../../../src/proxmox/access/visibility.ts';

afterEach(() => {
  vi.useRealTimers();
});

/** Answers like Proxmox; holds its answers back while `held` is set. */
function api(rights: Record<string, string[]>) {
  const one = {
    asked: [] as string[],
    held: undefined as Promise<void> | undefined,
    fails: false,
    get: async <T>(_: string, params: Record<string, string | number> = {}): Promise<T> => {
      const path = String(params.path);
      one.asked.push(path);
      if (one.fails) throw new Error('away');
      const answer = { [path]: Object.fromEntries((rights[path] ?? []).map((privilege) => [privilege, 1])) };
      await one.held;
      return answer as T;
    },
  };
  return one;
}
const audits = (one: ReturnType<typeof api>, paths = ['/vms/105']) => {
  const lacking = (has: Has) => paths.filter((path) => !has(path)?.has('VM.Audit'));
  return byLatePrivileges(one, paths, lacking, (missing) => missing.length === 0);
};

it('requests a path once for several callers at the same time', async () => {
  const one = api({ '/vms/105': ['VM.Audit'] });
  const answers = await Promise.all([privilegesAt(one, '/vms/105'), privilegesAt(one, '/vms/105'), audits(one)]);
  expect(answers).toEqual([new Set(['VM.Audit']), new Set(['VM.Audit']), []]);
  expect(one.asked).toEqual(['/vms/105']);
});

it('requests the present privileges each time where the caller wants them', async () => {
  const rights: Record<string, string[]> = { '/vms/105': ['VM.Audit'] };
  const one = api(rights);
  await privilegesAt(one, '/vms/105');
  rights['/vms/105'] = [];
  expect(await privilegesAt(one, '/vms/105')).toEqual(new Set());
});

it('trusts a granted privilege for 30 s, then requests it again', async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  const rights: Record<string, string[]> = { '/vms/105': ['VM.Audit'] };
  const one = api(rights);
  await audits(one);
  rights['/vms/105'] = [];
  vi.setSystemTime(Date.now() + 29_999);
  expect(await audits(one)).toEqual([]);
  vi.setSystemTime(Date.now() + 1);
  expect(await audits(one)).toEqual(['/vms/105']);
  expect(one.asked).toHaveLength(2);
});

it('requests again before it calls a privilege missing, but only paths from memory', async () => {
  const rights: Record<string, string[]> = {};
  const one = api(rights);
  expect(await audits(one)).toEqual(['/vms/105']);
  expect(one.asked).toEqual(['/vms/105']);
  rights['/vms/105'] = ['VM.Audit'];
  expect(await audits(one, ['/vms/105', '/vms/106'])).toEqual(['/vms/106']);
  expect(one.asked).toEqual(['/vms/105', '/vms/106', '/vms/105']);
});

it('does not remember a failure', async () => {
  const one = api({ '/vms/105': ['VM.Audit'] });
  await audits(one);
  one.fails = true;
  await expect(privilegesAt(one, '/vms/105')).rejects.toThrow('away');
  one.fails = false;
  await audits(one);
  expect(one.asked).toHaveLength(3);
});

it('forgets privileges, and requests that are on their way', async () => {
  const rights: Record<string, string[]> = { '/vms/105': ['VM.Audit'] };
  const one = api(rights);
  let answer = () => {};
  one.held = new Promise((resolve) => {
    answer = resolve;
  });
  const early = privilegesAt(one, '/vms/105');
  forgetPrivileges(one);
  rights['/vms/105'] = [];
  one.held = undefined;
  expect(await privilegesAt(one, '/vms/105')).toEqual(new Set());
  answer();
  expect(await early).toEqual(new Set(['VM.Audit']));
  rights['/vms/105'] = ['VM.Audit'];
  expect(await audits(one)).toEqual([]);
});

it('shares what it knows of a token between the readers of that token', async () => {
  const one = api({ '/vms/105': ['VM.Audit'] });
  const narrow = sameToken({ get: one.get }, one);
  await audits(one);
  expect(await byLatePrivileges(narrow, ['/vms/105'], (has) => has('/vms/105')?.has('VM.Audit'), Boolean)).toBe(true);
  expect(one.asked).toEqual(['/vms/105']);
});

it.each([
  [true, 'DELETE', '/nodes/pve/qemu/105', {}],
  [true, 'PUT', '/pools', { poolid: 'agents', vms: '105' }],
  [true, 'PUT', '/access/acl', { path: '/vms' }],
  [true, 'POST', '/nodes/pve/qemu', { vmid: 105, pool: 'agents' }],
  [false, 'POST', '/nodes/pve/qemu', { vmid: 105 }],
  [false, 'POST', '/nodes/pve/qemu/105/status/start', {}],
] as const)('the rights may change (%s) by %s %s', (may, method, path, params) => {
  expect(changesRights({ stepId: 's1', method, path, params })).toBe(may);
});

it('knows from memory which storages show a guest, and requests again before it calls one hidden', async () => {
  const rights: Record<string, string[]> = {
    '/vms/105': ['VM.Backup', 'VM.Config.Disk'],
    '/storage/nas': ['Datastore.Audit', 'Datastore.AllocateSpace'],
  };
  const one = api(rights) as unknown as Parameters<typeof sightOf>[0] & ReturnType<typeof api>;
  const all = { disks: ['nas'], backups: ['nas'] };
  expect(await sightOf(one, 105, ['nas'])).toEqual(all);
  expect(await sightOf(one, 105, ['nas'])).toEqual(all);
  expect(one.asked).toEqual(['/vms/105', '/storage/nas']);
  expect(await sightOf(one, 105, ['nas', 'pbs'])).toEqual(all);
  expect(one.asked.slice(2)).toEqual(['/storage/pbs', '/vms/105', '/storage/nas']);
});
