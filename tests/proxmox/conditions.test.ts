import { describe, expect, it } from 'vitest';
import { type ErrorCode, ProxmoxMcpError } from '../../src/core/errors/errors.ts';
import type { Condition } from '../../src/core/plan/plan.ts';
import { holds } from '../../src/proxmox/conditions.ts';

type Answers = Record<string, unknown>;
const no = (code: ErrorCode) => new ProxmoxMcpError(code, 'x');
const [missing, hidden, taken] = [no('guest_not_found'), no('permission_denied'), no('conflict')];

/** An API with these answers. Any other request fails. */
const api = (answers: Answers) => ({
  get: async <T>(path: string): Promise<T> => {
    if (!(path in answers)) throw new Error(`unexpected request: ${path}`);
    if (answers[path] instanceof Error) throw answers[path];
    return answers[path] as T;
  },
});
const at = { type: 'qemu' as const, vmid: 105, node: 'pve' };
const STATUS = '/nodes/pve/qemu/105/status/current';
const CONFIG = '/nodes/pve/qemu/105/config';
const NEXTID = '/cluster/nextid';

describe('guest', () => {
  const is = (what: Extract<Condition, { kind: 'guest' }>['is'], answers: Answers) =>
    holds(api(answers), { kind: 'guest', ...at, is: what });
  const states = ['running', 'stopped', 'present', 'absent'] as const;
  const all = (answers: Answers) => Promise.all(states.map((state) => is(state, answers)));

  it.each([
    ['running', { [STATUS]: { status: 'running' } }, [true, false, true, false]],
    ['stopped', { [STATUS]: { status: 'stopped' } }, [false, true, true, false]],
    ['gone', { [STATUS]: missing, [NEXTID]: '105' }, [false, false, false, true]],
    ['on another node', { [STATUS]: missing, [NEXTID]: taken }, [false, false, false, false]],
    ['gone, as a limited token sees it', { [STATUS]: hidden, [NEXTID]: '105' }, [false, false, false, true]],
    ['hidden', { [STATUS]: hidden, [NEXTID]: taken }, [undefined, undefined, undefined, false]],
  ])('that is %s', async (_, answers, expected) => {
    expect(await all(answers)).toEqual(expected);
  });

  it('does not take a failure for an answer', async () => {
    await expect(is('absent', { [STATUS]: no('unreachable') })).rejects.toMatchObject({ code: 'unreachable' });
    await expect(is('absent', { [STATUS]: missing, [NEXTID]: no('unreachable') })).rejects.toMatchObject({ code: 'unreachable' });
  });
});

describe('config', () => {
  const has = (wanted: Record<string, string | null>, config: unknown) =>
    holds(api({ [CONFIG]: config }), { kind: 'config', ...at, has: wanted });

  it('compares as text, whatever type Proxmox answers with', async () => {
    expect(await has({ cores: '2', memory: '2048' }, { cores: 2, memory: '2048' })).toBe(true);
    expect(await has({ cores: '2', memory: '4096' }, { cores: 2, memory: '2048' })).toBe(false);
    expect(await has({ cores: '2' }, {})).toBe(false);
  });

  it('of a guest that the token may not see is unknown, and false once its VMID is free', async () => {
    const seen = (nextid: unknown) =>
      holds(api({ [CONFIG]: hidden, [NEXTID]: nextid }), { kind: 'config', ...at, has: { name: 'web1', lock: null } });
    expect(await seen(taken)).toBeUndefined();
    expect(await seen('105')).toBe(false);
  });

  it('holds for absent options', async () => {
    expect(await has({ balloon: null }, {})).toBe(true);
    expect(await has({ balloon: null }, { balloon: 0 })).toBe(false);
  });

  it('compares tags as sets', async () => {
    expect(await has({ tags: 'web,Prod' }, { tags: 'prod;web' })).toBe(true);
    expect(await has({ tags: 'web' }, { tags: 'prod;web' })).toBe(false);
  });

  it('does not hold for a guest that does not exist', async () => {
    expect(await has({}, missing)).toBe(false);
  });
});

it.each([
  ['local:105/vm-105-disk-0.qcow2,size=32G', true],
  ['local:105/vm-105-disk-0.qcow2,size=32768M', true],
  ['local:105/vm-105-disk-0.qcow2,size=31G', false],
  ['local:105/vm-105-disk-0.qcow2', false],
  [undefined, false],
])('disk: %s', async (scsi0, expected) => {
  expect(await holds(api({ [CONFIG]: { scsi0 } }), { kind: 'disk', ...at, disk: 'scsi0', atLeastGib: 32 })).toBe(expected);
});

it.each([
  [{ status: 'running' }, true],
  [missing, false],
  [hidden, undefined],
])('location: %j', async (answer, expected) => {
  expect(await holds(api({ [STATUS]: answer }), { kind: 'location', ...at })).toBe(expected);
});

it.each([
  [[{ vmid: 105, ctime: 1000 }], true],
  [[{ vmid: '105', ctime: 1001 }], true],
  [[{ vmid: 105, ctime: 999 }], false],
  [[{ vmid: 106, ctime: 2000 }], false],
  [[], false],
  [hidden, undefined],
])('backup: %j', async (content, expected) => {
  const answers = { '/nodes/pve/storage/backups/content': content };
  expect(await holds(api(answers), { kind: 'backup', vmid: 105, node: 'pve', storage: 'backups' }, 1000)).toBe(expected);
});

describe('listed', () => {
  const LIST = '/nodes/pve/qemu/105/snapshot';
  const rows = [{ name: 'before', snaptime: 1 }, { name: 'current' }];
  const is = (state: 'present' | 'absent', name: string, list: unknown) =>
    holds(api({ [LIST]: list }), { kind: 'listed', path: LIST, row: { name, snaptime: '1' }, is: state, says: 'x' });

  it('compares all values of one row', async () => {
    expect(await Promise.all([is('present', 'before', rows), is('absent', 'before', rows)])).toEqual([true, false]);
    expect(await Promise.all([is('present', 'current', rows), is('absent', 'current', rows)])).toEqual([false, true]);
  });

  it('is unknown where the list is hidden or is not there', async () => {
    expect(await Promise.all([is('present', 'before', hidden), is('absent', 'before', hidden)])).toEqual([undefined, undefined]);
    expect(await Promise.all([is('present', 'before', missing), is('absent', 'before', missing)])).toEqual([undefined, undefined]);
  });
});

describe('reads', () => {
  const OPTIONS = '/nodes/pve/qemu/105/firewall/options';
  const has = (wanted: Record<string, string | null>, seen: unknown) =>
    holds(api({ [OPTIONS]: seen }), { kind: 'reads', path: OPTIONS, has: wanted, says: 'x' });

  it('compares as text, absent fields included', async () => {
    expect(await has({ enable: '1', policy_in: null }, { enable: 1 })).toBe(true);
    expect(await has({ enable: '1', policy_in: null }, { enable: 1, policy_in: 'DROP' })).toBe(false);
    expect(await has({ enable: '1' }, {})).toBe(false);
    expect(await has({ enable: '1' }, hidden)).toBeUndefined();
    expect(await has({ enable: '1' }, missing)).toBeUndefined();
  });
});
