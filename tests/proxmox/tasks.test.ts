import { describe, expect, it } from 'vitest';
import { type ErrorCode, ProxmoxMcpError } from '../../src/core/errors/errors.ts';
import { createTasks, exitOf, parseUpid, type Read } from '../../src/proxmox/tasks.ts';
import { fakeClock } from './server.ts';

const START = 0x6b036f7e;
const upidOf = (type: string, id: string, { user = 'mcp@pve!agent', start = START, pid = '00004311' } = {}) =>
  `UPID:pve:${pid}:0007012A:${start.toString(16).toUpperCase()}:${type}:${id}:${user}:`;
const UPID = upidOf('qmstart', '105');

/** Tasks with the answers of a test. */
function tasks(read: Read, serverTime = START + 60) {
  const clock = fakeClock(0);
  const asked: [string, unknown][] = [];
  const spying: Read = (path, params) => {
    asked.push([path, params]);
    return read(path, params);
  };
  return { clock, asked, ...createTasks({ read: spying, clock, tokenId: 'mcp@pve!agent', serverTime: () => serverTime }) };
}
const error = (code: ErrorCode) => new ProxmoxMcpError(code, 'x');

it('reads a UPID', () => {
  expect(parseUpid(UPID)).toEqual({ node: 'pve', startTime: START, type: 'qmstart', id: '105', user: 'mcp@pve!agent' });
  expect(parseUpid('UPID:pve:0000430A:000070122:6B036F7E:imgdel:130@local:root@pam!tok:')?.id).toBe('130@local');
  expect(parseUpid('UPID:pve:0000430A:00070122:6B036F7E:srvreload::root@pam:')?.id).toBe('');
  for (const no of [null, 'OK', `${UPID} `, 'UPID:bogus', UPID.slice(0, -1)]) expect(parseUpid(no)).toBeUndefined();
});

it.each(['/', '?', '#', '%', '\u0000', '\u001b', '\u007f', '\u0085', '../../x'])(
  'a text with %j is not a UPID, wherever it stands',
  (bad) => {
    for (const part of ['qmstart', '105', 'mcp@pve!agent']) expect(parseUpid(UPID.replace(part, `${part}${bad}`))).toBeUndefined();
  },
);

it('a UPID has at most 256 characters', () => {
  const long = (length: number) => upidOf('qmstart', 'x'.repeat(length - UPID.length + 3));
  expect(parseUpid(long(256))).toBeDefined();
  expect(parseUpid(long(257))).toBeUndefined();
});

it('distinguishes the ends of a task', () => {
  expect(exitOf('OK')).toEqual({ kind: 'ok' });
  expect(exitOf('WARNINGS: 2')).toEqual({ kind: 'warnings', count: 2 });
  expect(exitOf('unexpected status')).toEqual({ kind: 'unknown' });
  expect(exitOf('VM is locked (backup)')).toEqual({ kind: 'failed', text: 'VM is locked (backup)' });
});

describe('status', () => {
  it('comes from the node of the UPID', async () => {
    const one = tasks(async () => ({ data: { status: 'stopped', exitstatus: 'OK' } }));
    expect(await one.task(UPID)).toEqual({ upid: UPID, running: false, exit: 'OK' });
    expect(one.asked).toEqual([[`/nodes/pve/tasks/${encodeURIComponent(UPID)}/status`, undefined]]);
  });

  it.each([[null], [[]], [{}], [{ status: 'paused' }], ['running']])('is an error after another answer: %j', async (data) => {
    await expect(tasks(async () => ({ data })).task(UPID)).rejects.toMatchObject({ code: 'proxmox_refused' });
  });

  it('of a task that has just begun may be unknown for a moment', async () => {
    const read = () => Promise.reject(error('task_unknown'));
    expect(await tasks(read, START + 2).task(UPID)).toEqual({ upid: UPID, running: true });
    await expect(tasks(read).task(UPID)).rejects.toMatchObject({ code: 'task_unknown' });
    await expect(tasks(read).task('no')).rejects.toMatchObject({ code: 'task_unknown' });
  });
});

describe('waiting', () => {
  it('polls quickly at first and seldom later, and reports', async () => {
    let polls = 0;
    const one = tasks(async () => ({ data: ++polls < 8 ? { status: 'running' } : { status: 'stopped', exitstatus: 'WARNINGS: 1' } }));
    const waited: number[] = [];
    expect(await one.waitTask(UPID, { timeoutSeconds: 60, onPoll: (seconds) => waited.push(seconds) })).toMatchObject({
      exit: 'WARNINGS: 1',
    });
    expect(one.clock.slept).toEqual([100, 100, 100, 100, 100, 100, 100, 116]);
    expect(waited).toEqual([0, 0, 0, 0, 1, 1, 1]);
  });

  it.each([500, 1001, 2000, 2150, 4000, 9000, 29_000])(
    'notices the end of a task of %d ms at most a sixth of that, or 1 s, late',
    async (length) => {
      const clock = fakeClock(0);
      const read: Read = async () => ({ data: clock.now() < length ? { status: 'running' } : { status: 'stopped', exitstatus: 'OK' } });
      const { waitTask } = createTasks({ read, clock, tokenId: 'mcp@pve!agent', serverTime: () => START });
      expect(await waitTask(UPID, { timeoutSeconds: 60 })).toMatchObject({ exit: 'OK' });
      expect(clock.now() - length).toBeLessThanOrEqual(Math.min(Math.max(length / 6, 100), 1000));
    },
  );

  it('polls a task of ten minutes less than two hundred times', async () => {
    const one = tasks(async () => ({ data: { status: 'running' } }));
    expect(await one.waitTask(UPID, { timeoutSeconds: 600 })).toBeUndefined();
    expect(one.asked.length).toBeLessThan(200);
  });

  it.each([7_200_000, -7_200_000])('takes as long when the machine sets its clock by %d ms meanwhile', async (set) => {
    const fake = fakeClock(0);
    const clock = { ...fake, now: () => fake.now() + (fake.slept.length > 2 ? set : 0) };
    const wait = (read: Read) => createTasks({ read, clock, tokenId: 'mcp@pve!agent', serverTime: () => START }).waitTask;
    const running = async () => ({ data: { status: 'running' } });
    expect(await wait(running)(UPID, { timeoutSeconds: 2 })).toBeUndefined();
    expect(fake.now()).toBe(2000);
    let polls = 0;
    const ends = wait(async () => ({ data: ++polls < 8 ? { status: 'running' } : { status: 'stopped', exitstatus: 'OK' } }));
    expect(await ends(UPID, { timeoutSeconds: 60 })).toMatchObject({ exit: 'OK' });
  });

  it('gives up after its time without touching the task', async () => {
    const one = tasks(async () => ({ data: { status: 'running' } }));
    expect(await one.waitTask(UPID, { timeoutSeconds: 2 })).toBeUndefined();
    expect(one.clock.now()).toBe(2000);
    expect(one.asked.every(([path]) => path.endsWith('/status'))).toBe(true);
  });

  it.each(['unreachable', 'proxmox_refused', 'authentication_failed', 'permission_denied', 'locked', 'guest_not_found'] as const)(
    'goes on after a poll that ended in %s: it says nothing about the task',
    async (code) => {
      let polls = 0;
      const one = tasks(() =>
        ++polls < 6 ? Promise.reject(error(code)) : Promise.resolve({ data: { status: 'stopped', exitstatus: 'OK' } }),
      );
      expect(await one.waitTask(UPID, { timeoutSeconds: 60 })).toMatchObject({ exit: 'OK' });
    },
  );

  it('continues after an answer that is not a status', async () => {
    let polls = 0;
    const one = tasks(async () => ({ data: ++polls < 6 ? null : { status: 'stopped', exitstatus: 'OK' } }));
    expect(await one.waitTask(UPID, { timeoutSeconds: 60 })).toMatchObject({ exit: 'OK' });
  });

  it('returns after half a minute without a status, and after ten seconds when Proxmox does not know the task', async () => {
    const silent = tasks(() => Promise.reject(error('authentication_failed')));
    expect(await silent.waitTask(UPID, { timeoutSeconds: 600 })).toEqual({ upid: UPID, running: true, unseen: { why: 'x', gone: false } });
    expect(silent.clock.now()).toBe(30_037);
    const gone = tasks(() => Promise.reject(error('task_unknown')));
    expect(await gone.waitTask(UPID, { timeoutSeconds: 600 })).toEqual({ upid: UPID, running: true, unseen: { why: 'x', gone: true } });
    expect(gone.clock.now()).toBe(10_037);
  });

  it('ends with its signal', async () => {
    const one = tasks(async () => ({ data: { status: 'running' } }));
    await expect(one.waitTask(UPID, { timeoutSeconds: 60, signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
  });
});

describe('log', () => {
  it('is read from its end', async () => {
    const one = tasks(async (_, params) => ({
      data:
        params?.limit === 1
          ? [{ n: 1, t: 'a' }]
          : [
              { n: 99, t: 'y' },
              { n: 100, t: 'z' },
            ],
      total: 100,
    }));
    expect(await one.taskLog(UPID, 2)).toEqual(['y', 'z']);
    expect(one.asked.map(([, params]) => params)).toEqual([{ limit: 1 }, { start: 98, limit: 2 }]);
  });

  it('that says "no content" is empty', async () => {
    expect(await tasks(async () => ({ data: [{ n: 1, t: 'no content' }], total: 1 })).taskLog(UPID, 20)).toEqual([]);
  });
});

describe('finding a task again', () => {
  const query = { node: 'pve', type: 'qmclone', id: '9000', sinceEpoch: START };
  const rows = (...upids: string[]) => upids.map((upid) => ({ upid, status: 'OK', endtime: 1 }));

  it('takes the oldest of ours since then, by the parts of the UPID', async () => {
    const oldest = upidOf('qmclone', '9000');
    const one = tasks(async () => ({
      data: rows(
        upidOf('qmclone', '9000', { start: START + 9 }),
        oldest,
        upidOf('qmclone', '9000', { start: START + 20, user: 'root@pam!tok' }),
        upidOf('qmclone', '9000', { start: START + 20, user: 'mcp@pve' }),
        upidOf('qmclone', '9001', { start: START + 20 }),
        upidOf('qmstart', '9000', { start: START + 20 }),
      ),
    }));
    expect(await one.findTask(query)).toEqual({ upid: oldest, running: false, exit: 'OK' });
    expect(one.asked).toEqual([['/nodes/pve/tasks', { source: 'all', since: START, typefilter: 'qmclone', limit: 500, vmid: '9000' }]]);
  });

  it('passes over those that belong to another request', async () => {
    const [first, second] = [upidOf('qmclone', '9000'), upidOf('qmclone', '9000', { start: START + 3 })];
    const one = tasks(async () => ({ data: rows(first, second) }));
    expect((await one.findTask({ ...query, isTaken: async (upid) => upid === first }))?.upid).toBe(second);
    expect(await one.findTask({ ...query, isTaken: async () => true })).toBeUndefined();
  });

  it('takes none that began before', async () => {
    expect(await tasks(async () => ({ data: rows(upidOf('qmclone', '9000', { start: START - 1 })) })).findTask(query)).toBeUndefined();
  });

  it.each([[{ status: 'RUNNING' }], [{}]])('knows a running one: %j', async (state) => {
    const one = tasks(async () => ({ data: [{ upid: upidOf('qmclone', '9000'), ...state }] }));
    expect(await one.findTask(query)).toEqual({ upid: upidOf('qmclone', '9000'), running: true });
  });

  it('takes only one whose log mentions the new guest as a word', async () => {
    const [older, newer] = [upidOf('qmclone', '9000'), upidOf('qmclone', '9000', { start: START + 5 })];
    const one = tasks(async (path) => {
      if (path === '/nodes/pve/tasks') return { data: rows(older, newer) };
      const guest = path.includes(encodeURIComponent(older)) ? 105 : 1051;
      return { data: [{ n: 1, t: `create linked clone of drive scsi0 (local:vm-${guest}-disk-0)` }], total: 1 };
    });
    expect((await one.findTask({ ...query, logMentions: '105' }))?.upid).toBe(older);
    expect((await one.findTask({ ...query, logMentions: '1051' }))?.upid).toBe(newer);
    expect(await one.findTask({ ...query, logMentions: '10' })).toBeUndefined();
  });

  it('filters by VMID only where the task has one', async () => {
    const one = tasks(async () => ({ data: [] }));
    await one.findTask({ ...query, type: 'imgdel', id: '130@local' });
    expect(one.asked[0]?.[1]).not.toHaveProperty('vmid');
  });
});
