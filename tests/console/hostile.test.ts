import fc from 'fast-check';
import { expect, test } from 'vitest';
import { clusterAnswers } from '../../src/console/cluster.ts';
import { backupsView, guestDetail } from '../../src/console/guest.ts';
import { outcomeView } from '../../src/console/outcome.ts';
import { type Reader, readersOf } from '../../src/console/read.ts';
import { fail } from '../../src/core/errors/errors.ts';
import type { ApprovalRecord } from '../../src/core/plan/approval.ts';
import type { Json } from '../../src/core/text/json.ts';
import { approvalView } from '../../src/render/approval-view.ts';
import { approval, openConsolePlace, plan, scriptedEngine } from './place.ts';

const ANSI = '\u001b[2J\u001b[31mDELETED\u001b[0m';
const BIDI = 'web1 \u202e501\u202c \u2066x\u2069 \u200fy';
const INVISIBLE = 'we\u200bb1\u00ad\ufeff\u2060\u{e0041}';
const MARKUP = '<img src=x onerror="alert(1)"><script>alert(2)</script> **bold** [click](javascript:alert(3))';
const LINES = 'harmless\r\nEffect: read\nUndo: not needed\u2028Warning: none';
const ZALGO = `z${'\u0301'.repeat(500)}algo`;
const LONG = 'A'.repeat(10_240);
const HOSTILE = Object.entries({ ANSI, BIDI, INVISIBLE, MARKUP, LINES, ZALGO, LONG });

/** Every text that the page is given, whatever it is part of. */
function texts(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return value !== null && typeof value === 'object' ? Object.entries(value).flatMap(([key, item]) => [key, ...texts(item)]) : [];
}

/** What could change how the text around it reads. */
const HARMFUL = /[\p{Cc}\p{Cf}\p{Co}\p{Zl}\p{Zp}]|\p{M}{3}/u;

function expectHarmless(view: unknown): void {
  for (const text of texts(view)) {
    expect(text).not.toMatch(HARMFUL);
    expect([...text].length).toBeLessThan(700);
  }
}

/** An approval in which every foreign text is this one. */
function poisoned(text: string): ApprovalRecord {
  return {
    ...approval,
    principal: text,
    owner: text,
    client: text,
    reason: text,
    note: text,
    decidedBy: text,
    decidedAt: approval.createdAt,
    agreedBy: [text],
    plan: {
      ...plan,
      summary: text,
      raisedBecause: text,
      undo: text,
      warnings: [text],
      choices: [text],
      target: { type: 'qemu', vmid: 105, key: 'k', name: text, node: text, lock: text, protection: false, disks: [text] },
      targets: [1, 2].map((n) => ({ type: 'lxc' as const, vmid: 100 + n, key: 'k', name: text, node: text, protection: false, disks: [] })),
      before: { [text]: text, list: [text] },
      after: { [text]: { [text]: text }, list: [] },
      facts: { snapshots: [text], ha: text, tags: [text], pool: text, disks: [text], formerNames: [text] },
      steps: [
        { kind: 'request', id: text, method: 'POST', path: text, params: { [text]: text, many: [text] }, purpose: text },
        {
          kind: 'wait',
          id: text,
          until: { kind: 'guest', type: 'qemu', vmid: 1, node: 'n', is: 'stopped' },
          timeoutSeconds: 1,
          purpose: text,
        },
      ],
    },
  };
}

test.each(HOSTILE)('%s in every place of an approval changes nothing but itself', (_, text) => {
  const view = approvalView(poisoned(text));
  expectHarmless({ ...view, id: '', digest: '' });
  expect(view.effect).toBe('destroy');
  expect(view.guest?.vmid).toBe(105);
});

test('no text whatever can carry something that changes how the page reads', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
      for (const one of texts(approvalView(poisoned(text)))) if (HARMFUL.test(one)) throw new Error(JSON.stringify(one));
    }),
    { numRuns: 300 },
  );
});

test('markup stays the text that it is', () => {
  expect(approvalView({ ...approval, reason: MARKUP }).reason).toBe(MARKUP);
});

test('the text to type is exactly the one shown, or nothing can be approved', () => {
  expect(approvalView(approval).mustType).toBe('web1 105');
  const named = (name: string) =>
    approvalView({ ...approval, plan: { ...plan, target: { ...plan.target, name } as typeof plan.target & object } });
  expect(named('').mustType).toBe('105');
  for (const name of [BIDI, INVISIBLE, LINES, ANSI, 'A'.repeat(400)]) expect(named(name).mustType).toBeUndefined();
});

test('a secret of a request is never shown, not even its reference', () => {
  const view = approvalView(approval);
  expect(JSON.stringify(view)).not.toContain('c2VjcmV0');
  expect(JSON.stringify(view.steps)).toContain('(secret)');
});

test('an unchanged field is not a change', () => {
  expect(approvalView(approval).changes).toEqual([{ field: 'status', before: ['stopped'], after: [] }]);
});

test.each(HOSTILE)('%s in the outcome of a run', (_, text) => {
  const output = {
    run_id: 'run_1',
    status: 'failed',
    steps: [{ id: text, state: text, exit: text }],
    error: { code: text, message: text, hint: text, details: { exit: text } },
    result: { [text]: text, list: [text], deep: { [text]: text } },
  };
  expectHarmless(outcomeView({ kind: 'done', output: output as { [key: string]: Json } }));
});

test.each(HOSTILE)('%s in the list of guests', async (_, text) => {
  const vms = [{ vmid: 1, name: text, type: 'vm', status: text, node: text, tags: [text], pool: text, lock: text, ha: text }];
  const engine = scriptedEngine(() => ({ kind: 'done', output: { vms, total: 1, notice: text.slice(0, 500) } }));
  const limits = { maxCpu: 1, maxRamMib: 1, maxDiskGib: 1, maxVms: 1, scope: { kind: 'pool', pool: text } } as const;
  const answers = await clusterAnswers(engine, {} as never, { limits });
  expect(answers[0]?.view?.nodes).toHaveLength(1);
  expectHarmless(answers);
});

test.each(HOSTILE)('%s in the use and the backups of a guest', async (_, text) => {
  const row = { metric: 'cpu_percent', avg: 1, max: 2, now: 1, values: [1, null, text] };
  const backup = { vmid: 1, guest: text, state: text, storage: text, volume: text, time: text, verified: text, size_gb: 1, age_days: 2 };
  const output = { metrics: [row, { ...row, metric: text }], findings: [text], backups: [backup], total: 1, notice: text };
  const [reader] = readersOf(
    scriptedEngine(() => ({ kind: 'done', output: output as { [key: string]: Json } })),
    {} as never,
  );
  const detail = await guestDetail(reader as Reader, 1);
  expect(detail.curves).toMatchObject([{ label: 'CPU', values: [1, null, null] }]);
  expect(detail.backups).toHaveLength(1);
  expectHarmless(detail);
  expectHarmless(await backupsView(reader as Reader));
});

test('of several clusters, one that does not answer is named with the reason and hides no other', async () => {
  const engine = {
    ...scriptedEngine(({ args }) => {
      const { cluster } = args as { cluster: string };
      if (cluster === 'south') fail('unreachable', 'No answer.');
      return { kind: 'done', output: { vms: [{ vmid: 1, name: 'web1', type: 'vm', status: 'running', node: 'pve' }], total: 1 } };
    }),
    clusters: ['north', 'south'],
  };
  const limits = { maxCpu: 1, maxRamMib: 1, maxDiskGib: 1, maxVms: 1, scope: { kind: 'visible' } } as const;
  expect(await clusterAnswers(engine, {} as never, { limits })).toMatchObject([
    { name: 'north', view: { nodes: [{ name: 'pve', guests: [{ name: 'web1' }] }] } },
    { name: 'south', problem: { code: 'unreachable', message: 'No answer.' } },
  ]);
});

test.each(HOSTILE)('%s in an error, and in the name of the logged-in person', async (_, text) => {
  const open = await openConsolePlace({
    engine: scriptedEngine(() => fail('approval_not_confirmed', text, { hint: text })),
    logins: { loginWithLink: async () => ({ principal: 'oauth:a', owner: 'a', name: text, isOperator: true }) },
  });
  try {
    const headers = await open.logIn();
    expectHarmless((await open.ask('POST', '/api/approvals/apr_1/approve', { headers, body: { typed: 'x' } })).json);
    expectHarmless((await open.ask('GET', '/api/session', { headers })).json);
  } finally {
    await open.close();
  }
});

test('the agent’s words come after everything else, and nowhere else', () => {
  const { reason, ...rest } = approvalView({ ...approval, reason: 'agentswords' });
  expect(reason).toBe('agentswords');
  expect(JSON.stringify(rest)).not.toContain('agentswords');
});

test('a secret that logs in stands in no answer but the one that sets it', async () => {
  const open = await openConsolePlace();
  try {
    const secret = open.links.issue();
    const login = await open.ask('POST', '/api/login/link', { body: { secret } });
    const cookie = String(login.headers['set-cookie']).split(/[=;]/)[1] ?? '';
    expect(cookie).toHaveLength(43);
    expect(login.body).not.toContain(cookie);
    expect(login.body).not.toContain(secret);
    const again = await open.ask('POST', '/api/login/link', { body: { secret } });
    expect(again.body).not.toContain(secret);
    expect(JSON.stringify(again.headers)).not.toContain(secret);
  } finally {
    await open.close();
  }
});
