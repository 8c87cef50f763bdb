import { expect, it } from 'vitest';
import type { Who } from '../../src/simulator/access/permissions.ts';
import { certificatesOf } from '../../src/simulator/data.ts';
import { type Answer, dispatch } from '../../src/simulator/dispatch.ts';
import { aclKey } from '../../src/simulator/seed/parts.ts';
import type { World } from '../../src/simulator/world.ts';
import { readLeftOut, readRecording } from './replay.ts';
import { openRecordedWorld } from './visibility-world.ts';
import { type Call, calls, furnish, type Step } from './write-world.ts';

const { meta, exchanges } = readRecording('visibility.jsonl.gz');
const { byNumber } = readLeftOut('write-rights');
const certificates = certificatesOf('demo');

const WRITER: Who = { token: 'writer@pve!tok', user: 'writer@pve', privsep: true };
const ROOT: Who = { token: 'root@pam!tok', user: 'root@pam', privsep: false };
/** Longer than any of these tasks takes, ms. */
const LONG = 120_000;

function open(call: Call): { world: World; pass(): void } {
  let later = 0;
  const world = openRecordedWorld(exchanges, meta.principals, () => later);
  world.write(() => furnish(world, call.what));
  return {
    world,
    pass: () => {
      later += LONG;
    },
  };
}

function ask(world: World, who: Who, { method, path, params }: Pick<Call, 'method' | 'path' | 'params'>): Answer {
  return dispatch(world, { method, path, params, who, fault: undefined, certificates });
}

/** What is missing according to the answer or, when a task was started, to its end. */
function missing(world: World, pass: () => void, call: Call): string | undefined {
  const { status, message, body } = ask(world, WRITER, call);
  if (message.includes('Permission check failed')) return `${status} ${message}`;
  if (status !== 200 || !String(body.data).startsWith('UPID:')) return undefined;
  pass();
  const path = `/nodes/pve/tasks/${encodeURIComponent(String(body.data))}/status`;
  const { exitstatus } = ask(world, ROOT, { method: 'GET', path, params: {} }).body.data as { exitstatus?: string };
  return exitstatus?.includes('403 Permission check failed') ? `task ${exitstatus}` : undefined;
}

function text([kind, path, privs]: Step): RegExp | string {
  if (kind === 'any') return /^403 Permission check failed \(\/vms\/\d+, VM\.Config\.\w+(\|VM\.Config\.\w+){7}\)$/;
  if (kind === 'bare') return '403 Permission check failed';
  const words = `403 Permission check failed (${path}, ${privs})`;
  return kind === 'task' ? `task ${words}` : kind === 'update' ? `500 update pools failed: ${words}` : words;
}

/** The options of a create are checked in any order there: of several in a row on the guest, the one that was asked for now. */
function nextOf(left: Step[], words: string): number {
  const isOption = ([kind, path, privs]: Step) => kind === 'answer' && path === left[0]?.[1] && /^VM\.Config\.\w+$/.test(privs ?? '');
  const row = left.findIndex((step) => !isOption(step));
  const found = left.slice(0, row < 0 ? left.length : row).findIndex((step) => text(step) === words);
  return Math.max(0, found);
}

function give(world: World, index: number, [kind, where, privs = 'VM.Config.Disk']: Step, call: Call): void {
  const path = where ?? `/vms/${/\/qemu\/(\d+)/.exec(call.path)?.[1]}`;
  const roleid = `Step${index}`;
  const [priv = ''] = privs.split(/[|\s]/);
  world.write(() => {
    world.put('role', roleid, { roleid, privs: [kind === 'any' ? 'VM.Config.Disk' : priv] });
    for (const ugid of [WRITER.user, WRITER.token]) {
      // A privilege that came from above stays: what is given on a deeper path would replace it.
      for (const acl of [...world.all('acl').values()].filter((other) => other.ugid === ugid && path.startsWith(`${other.path}/`)))
        world.put('acl', aclKey({ ...acl, path }), { ...acl, path });
      const acl = { path, ugid, roleid, propagate: 1 as const };
      world.put('acl', aclKey(acl), { ...acl, type: ugid.includes('!') ? 'token' : 'user' });
    }
  });
}

const simulated = calls.filter((_, index) => !byNumber.has(index + 1));

it.each(simulated.map((call): [string, Call] => [`${call.what}: ${call.method} ${call.path}`, call]))('%s', (_name, call) => {
  const { world, pass } = open(call);
  const told: string[] = [];
  const expected: unknown[] = [];
  const left = [...call.asked];
  while (left.length > 0) {
    const words = missing(world, pass, call) ?? 'nothing is missing';
    const step = left.splice(nextOf(left, words), 1)[0] as Step;
    told.push(words);
    const wanted = text(step);
    expected.push(typeof wanted === 'string' ? wanted : expect.stringMatching(wanted));
    give(world, told.length, step, call);
  }
  expect(told).toEqual(expected);
  expect(missing(world, pass, call)).toBeUndefined();
});

it('leaves out only calls that are not simulated', () => {
  const known = calls
    .filter((_, index) => byNumber.get(index + 1) === 'not-simulated')
    .filter((call) => ask(open(call).world, ROOT, call).status !== 501);
  expect(known.map(({ what }) => what)).toEqual([]);
});
