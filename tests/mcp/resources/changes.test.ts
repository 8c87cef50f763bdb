import { describe, expect, it, vi } from 'vitest';
import type { Stamps } from '../../../src/engine/stamps.ts';
import { createChangeFeed } from '../../../src/mcp/resources/changes.ts';

const before: Stamps = { guests: { 101: 'running', 102: 'stopped' }, approvals: { apr_1: 'pending' }, tasks: { run_1: 'executing' } };

/** A feed over looks that a test scripts; `undefined` is a look that fails. The last one stays. */
function feed(looks: (Stamps | undefined)[], guests = true) {
  const told: string[] = [];
  let taken = 0;
  const stamps = async () => {
    const look = looks[Math.min(taken, looks.length - 1)];
    taken += 1;
    if (look === undefined) throw new Error('Proxmox is away');
    return look;
  };
  const changes = createChangeFeed({ engine: async () => ({ stamps }), guests, pauseMs: 1 });
  return { changes, told, taken: () => taken, listen: () => changes.listen((uri) => told.push(uri)) };
}

const until = (holds: () => void) => vi.waitFor(holds, { timeout: 10_000 });

describe('the feed of changes', () => {
  it('reports each item that differs from the read before, and its list; the first read reports nothing', async () => {
    const after: Stamps = { guests: { 101: 'stopped', 103: 'running' }, approvals: { apr_1: 'succeeded' }, tasks: before.tasks };
    const it = feed([before, after]);
    const end = it.listen();
    await until(() => expect(it.taken()).toBeGreaterThan(3));
    end();
    expect(it.told).toEqual([
      ...['proxmox://guests', 'proxmox://guest/101', 'proxmox://guest/102', 'proxmox://guest/103'],
      ...['proxmox://approvals', 'proxmox://approvals/apr_1'],
    ]);
  });

  it('reports a guest of several clusters by each of its addresses', async () => {
    const it = feed([
      { ...before, guests: { 'home:101': 'running', 'work:101': 'running' } },
      { ...before, guests: { 'home:101': 'stopped', 'work:101': 'stopped' } },
    ]);
    const end = it.listen();
    await until(() =>
      expect(it.told).toEqual([
        ...['proxmox://guests', 'proxmox://guest/home:101', 'proxmox://guest/home%3A101', 'proxmox://guest/101'],
        ...['proxmox://guest/work:101', 'proxmox://guest/work%3A101'],
      ]),
    );
    end();
    for (const id of ['home:101', 'home%3A101', '101']) expect(it.changes.covers(`proxmox://guest/${id}`), id).toBe(true);
  });

  it('covers no address that it would not report', () => {
    const { changes } = feed([before]);
    for (const address of ['guest/%31%30%31', 'guest/', 'task/UPID:pve:0:0:0:qmstart:101:root@pam:', 'task/UPID%3Apve', 'node/pve'])
      expect(changes.covers(`proxmox://${address}`), address).toBe(false);
  });

  it('compares with the last read that succeeded', async () => {
    const it = feed([before, undefined, { ...before, tasks: { run_1: 'succeeded' } }]);
    const end = it.listen();
    await until(() => expect(it.told).toEqual(['proxmox://tasks', 'proxmox://task/run_1']));
    end();
  });

  it('reads only while there is a listener', async () => {
    const it = feed([before]);
    expect(it.taken()).toBe(0);
    const end = it.listen();
    await until(() => expect(it.taken()).toBeGreaterThan(2));
    end();
    await until(async () => {
      const seen = it.taken();
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(it.taken()).toBe(seen);
    });
  });

  it('does not report guests where a caller may be limited to some of them', async () => {
    const it = feed([before, { ...before, guests: {}, tasks: {} }], false);
    expect(it.changes.covers('proxmox://guest/101')).toBe(false);
    expect(it.changes.covers('proxmox://task/run_1')).toBe(true);
    const end = it.listen();
    await until(() => expect(it.told).toEqual(['proxmox://tasks', 'proxmox://task/run_1']));
    end();
  });
});
