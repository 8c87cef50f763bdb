import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { habitsCheck, habitsOf, policyRows } from '../../../src/cli/doctor/approvals.ts';
import { leftRunsCheck, openRunsCheck } from '../../../src/cli/doctor/runs.ts';
import { readPolicy } from '../../../src/config/policy.ts';
import { NO_POLICY } from '../../../src/core/settings/policy.ts';
import type { Settings } from '../../../src/core/settings/settings.ts';
import { openStore } from '../../../src/store/index.ts';
import { approval as example, plan, run } from '../../helpers/answering-engine.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});
function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'doctor-'));
  folders.push(folder);
  return folder;
}
const NOW = Date.parse('2026-05-10T12:00:00.000Z');
const ago = (days: number, ms = 0) => new Date(NOW - days * 86_400_000 + ms).toISOString();

describe('requests of unknown outcome', () => {
  test('without a store there are none, and no store is created', async () => {
    const dataDir = join(newFolder(), 'data');
    expect(await openRunsCheck({ dataDir } as Settings, run.cluster)).toEqual([]);
    expect(existsSync(dataDir)).toBe(false);
  });

  test('are named with what closes them, those of this cluster alone', async () => {
    const dataDir = newFolder();
    const store = await openStore({ dataDir });
    for (const [id, cluster] of [
      ['run_here', run.cluster],
      ['run_there', 'elsewhere'],
    ] as const) {
      await store.runs.begin({ ...run, id, cluster }, 'w', ago(0));
      await store.runs.end(id, 'w', {
        status: 'unknown',
        steps: [],
        error: { code: 'outcome_unknown', message: 'm', hint: 'h' },
        endedAt: ago(0),
      });
    }
    expect(await openRunsCheck({ dataDir } as Settings, run.cluster)).toEqual([
      {
        name: 'outcomes',
        state: 'warn',
        text: expect.stringMatching(/^the outcome of 1 run is unknown.*run_here/),
        next: expect.stringContaining('proxmox-mcp runs close'),
      },
    ]);
    await store.runs.endUnknown('run_here', { status: 'succeeded', steps: [], endedAt: ago(0) });
    expect(await openRunsCheck({ dataDir } as Settings, run.cluster)).toMatchObject([{ state: 'ok' }]);
    await store.close();
  });

  test('of a cluster that the file no longer has are named, too', async () => {
    const dataDir = newFolder();
    const clusters = [{ name: 'home' }] as unknown as NonNullable<Settings['clusters']>;
    expect(await leftRunsCheck({ dataDir, clusters } as Settings, [])).toEqual([]);
    const store = await openStore({ dataDir });
    for (const cluster of ['home@1a2b3c4d5e6f7788', 'work@8877665544332211']) {
      const id = `run_${cluster}`;
      await store.runs.begin({ ...run, id, cluster }, 'w', ago(0));
      await store.runs.end(id, 'w', {
        status: 'unknown',
        steps: [],
        error: { code: 'outcome_unknown', message: 'm', hint: 'h' },
        endedAt: ago(0),
      });
    }
    expect(await leftRunsCheck({ dataDir, clusters } as Settings, ['home@1a2b3c4d5e6f7788'])).toEqual([
      {
        name: 'outcomes',
        state: 'warn',
        text: 'the outcome of 1 run on work@8877665544332211 is unknown, and PROXMOX_CLUSTERS_FILE has no such cluster',
        next: expect.stringContaining('Put the cluster back into the file'),
      },
    ]);
    // The same name under another authority is another cluster; of one that did not answer only the name is known.
    const both = await leftRunsCheck({ dataDir, clusters } as Settings, ['home@ffffffffffffffff']);
    expect(both.map(({ text }) => text)).toContain(
      'the outcome of 1 run on home@1a2b3c4d5e6f7788 is unknown, and home is another cluster now',
    );
    expect(await leftRunsCheck({ dataDir, clusters } as Settings, [])).toHaveLength(1);
    expect(await leftRunsCheck({ dataDir } as Settings, [])).toEqual([]);
    await store.close();
  });
});

describe('how approvals are given', () => {
  test('is counted by day, and what was given in under two seconds', () => {
    const answers = [
      { askedAt: ago(3), givenAt: ago(3, 1_999) },
      { askedAt: ago(3), givenAt: ago(3, 2_000) },
      { askedAt: ago(3) },
      { askedAt: ago(1), givenAt: ago(1, 600_000) },
    ];
    expect(habitsOf(answers, NOW)).toEqual({
      asked: 4,
      perDay: 0.6,
      given: 3,
      quick: 1,
      days: [
        { day: '2026-05-07', asked: 3, given: 2, quick: 1 },
        { day: '2026-05-09', asked: 1, given: 1, quick: 0 },
      ],
    });
  });

  test('without a store it says nothing, and creates none', async () => {
    const dataDir = join(newFolder(), 'data');
    expect(await habitsCheck({ dataDir } as Settings, NOW)).toEqual({});
    expect(existsSync(dataDir)).toBe(false);
  });

  test('a store file that was empty and is created again is a finding', async () => {
    const dataDir = newFolder();
    writeFileSync(join(dataDir, 'store.sqlite'), '');
    const { check } = await habitsCheck({ dataDir } as Settings, NOW);
    expect(check).toMatchObject({ name: 'store', state: 'warn', text: expect.stringContaining('was empty and was created again') });
  });

  test.each([
    ['slowly', 60_000, 'ok'],
    ['at once', 500, 'warn'],
  ] as const)('given %s: %i ms', async (_how, ms, state) => {
    const dataDir = newFolder();
    const store = await openStore({ dataDir });
    for (let n = 0; n < 6; n += 1) {
      const asked = { ...example, id: `apr_${n}`, argsDigest: `${n}`, plan, expiresAt: ago(0) };
      await store.approvals.request(asked, ago(2), 50);
      const started = { ...run, id: `run_${n}`, approvalId: `apr_${n}`, startedAt: ago(2, ms) };
      await store.runs.begin(started, 'w', ago(0), { decision: { approvalId: `apr_${n}`, decidedBy: 'x', decidedVia: 'relay' } });
    }
    await store.approvals.request({ ...example, id: 'apr_old', argsDigest: 'old', plan, expiresAt: ago(8) }, ago(9), 50);
    await store.close();
    const { check, habits } = await habitsCheck({ dataDir } as Settings, NOW);
    const quick = ms < 2_000 ? 6 : 0;
    expect(habits).toMatchObject({ asked: 6, given: 6, quick });
    expect(check).toMatchObject({
      state,
      text: expect.stringContaining(`6 requested in the last 7 days (0.9 a day), 6 approved, ${quick} of them in under two seconds`),
    });
  });

  test('a store that cannot be read is a finding, not the end', async () => {
    const dataDir = newFolder();
    writeFileSync(join(dataDir, 'store.sqlite'), 'no database at all, but long enough to look like a file of one '.repeat(20));
    expect((await habitsCheck({ dataDir } as Settings, NOW)).check).toMatchObject({
      state: 'fail',
      text: expect.stringContaining('store'),
    });
  });
});

describe('the effective policy', () => {
  const approval = { mode: 'auto' as const, ttlSeconds: 900, maxPendingPerPrincipal: 10 };

  test('without rules is what the mode says', () => {
    expect(policyRows({ approval, policy: NO_POLICY })).toEqual([
      { match: 'plans that interrupt or destroy', demands: 'an approval by PROXMOX_APPROVAL=auto' },
    ]);
  });

  test('shows every rule, every key in words', () => {
    const file = join(newFolder(), 'policy.json');
    const match = {
      effect: ['destroy'],
      operation: ['delete_vm'],
      tag: ['prod', 'db'],
      pool: ['p'],
      vmid: [105, '200-299'],
      principal: ['local:1'],
    };
    const demands = { way: 'human', approvals: 2, require_backup_within: '24h', cooldown: '90m' };
    writeFileSync(
      file,
      JSON.stringify({
        rules: [{ match, ...demands }, { match: { vmid: ['100-199'] }, never: true }, { cooldown: '5m' }],
        only: { tags: ['agents'], pools: ['lab'], created: true },
        per_hour: { creates: 5, destroys: 2 },
      }),
    );
    expect(policyRows({ approval, policy: readPolicy(file) }).map(({ match, demands }) => `${match} → ${demands}`)).toEqual([
      'plans that interrupt or destroy → an approval by PROXMOX_APPROVAL=auto',
      'effect destroy, operation delete_vm, tag prod or db, pool p, VMID 105 or 200-299, requester local:1 → the method human, the yes of 2 owners, a backup not older than 1 d, a pause of 1 h 30 min before the identical request',
      'VMID 100-199 → forbidden, with or without an approval',
      'everything → a pause of 5 min before the identical request',
      'guests without tag agents, pool lab, created through this server → never changed',
      'creating guests → at most 5 an hour for each requester',
      'destroying → at most 2 times an hour for each requester',
    ]);
  });
});
