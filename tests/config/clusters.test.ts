import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { requireCredentials, toSettings } from '../../src/config/settings.ts';
import { asError } from '../../src/core/errors/errors.ts';
import { clustersOf } from '../../src/core/settings/settings.ts';

let home: string;
let file: string;
let systemFile: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'clusters-'));
  file = join(home, 'clusters.json');
  systemFile = join(home, 'system.json');
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

type Env = Record<string, string | undefined>;
const load = (env: Env = {}) => loadConfig({ env: { XDG_CONFIG_HOME: home, PROXMOX_CLUSTERS_FILE: file, ...env }, systemFile });
const settings = (env: Env = {}, demo = false) => toSettings(load(env), { env: { XDG_STATE_HOME: home }, demo });
const write = (content: unknown, mode = 0o600) => writeFileSync(file, JSON.stringify(content), { mode });
const refusal = (work: () => unknown) => {
  try {
    work();
  } catch (error) {
    return asError(error);
  }
  throw new Error('it was not refused');
};

const HOME = { PROXMOX_HOST: 'pve.home', PROXMOX_TOKEN_ID: 'mcp@pve!agent', PROXMOX_TOKEN_SECRET: 'home-secret-1', PROXMOX_MAX_VMS: 5 };
const WORK = { PROXMOX_HOST: 'a.work,b.work', PROXMOX_TOKEN_ID: 'mcp@pve!work', PROXMOX_TOKEN_SECRET: 'work-secret-1' };

describe('the file of several clusters', () => {
  test('each cluster has its own connection, limits and defaults; the order of the file is kept', () => {
    write({ work: { ...WORK, PROXMOX_NODE: 'n1', PROXMOX_QUOTA_SCOPE: 'pool:agents' }, home: HOME });
    const [work, homes, ...more] = settings().clusters ?? [];
    expect(more).toEqual([]);
    expect(work).toMatchObject({
      name: 'work',
      connection: { tokenId: 'mcp@pve!work', endpoints: [{ host: 'a.work' }, { host: 'b.work' }] },
      defaults: { node: 'n1', nodeIsExplicit: true },
      limits: { maxVms: 50, scope: { kind: 'pool', pool: 'agents' } },
    });
    expect(homes).toMatchObject({ name: 'home', connection: { tokenSecret: 'home-secret-1' }, limits: { maxVms: 5 } });
  });

  test('without the file the environment is the only cluster, and it has no name', () => {
    const one = toSettings(load({ PROXMOX_CLUSTERS_FILE: undefined, PROXMOX_HOST: 'pve' }), { env: {}, demo: false });
    expect(one).not.toHaveProperty('clusters');
    expect(clustersOf(one)).toEqual([{ connection: one.connection, defaults: one.defaults, limits: one.limits, policy: one.policy }]);
  });

  test('a file that other users can read is refused', () => {
    write({ home: HOME });
    chmodSync(file, 0o644);
    expect(refusal(settings)).toMatchObject({ code: 'invalid_configuration', hint: `Run: chmod 600 ${file}` });
  });

  test.each([
    ['no object', [HOME], 'it must be a JSON object of names'],
    ['no cluster', {}, 'it must name 1 to 100 clusters'],
    ['a name with other signs', { 'Home lab': HOME }, '"Home lab" is not a name'],
    ['a long name', { [`a${'b'.repeat(32)}`]: HOME }, 'is not a name'],
    ['a variable of the whole server', { home: { ...HOME, PROXMOX_APPROVAL: 'relay' } }, 'PROXMOX_APPROVAL of home is not a variable'],
    ['a misspelt variable', { home: { ...HOME, PROXMOX_MAX_VM: 3 } }, 'PROXMOX_MAX_VM of home is not a variable'],
  ])('%s is refused', (_what, content, message) => {
    write(content);
    expect(refusal(settings)).toMatchObject({ code: 'invalid_configuration', message: expect.stringContaining(message) });
  });

  test('a wrong value names the cluster and the variable, never the value', () => {
    write({ home: { ...HOME, PROXMOX_MAX_CPU: 'lots' } });
    const { message } = refusal(settings);
    expect(message).toContain(`PROXMOX_MAX_CPU (from home in ${file})`);
    expect(message).not.toContain('lots');
  });

  test('a variable of a cluster that is set elsewhere too is refused: none is silently without effect', () => {
    write({ home: HOME });
    expect(refusal(() => settings({ PROXMOX_MAX_VMS: '3' }))).toMatchObject({
      code: 'invalid_configuration',
      message: 'PROXMOX_MAX_VMS (from environment) describes one cluster, but PROXMOX_CLUSTERS_FILE is set.',
    });
  });

  test('the limits of the system-wide file hold for every cluster', () => {
    write({ home: HOME, work: WORK });
    writeFileSync(systemFile, '{"PROXMOX_MAX_VMS": 10}');
    expect(settings().clusters?.map(({ limits }) => limits.maxVms)).toEqual([5, 10]);
  });

  test('a host that the system-wide file fixes is not escaped by a file of clusters', () => {
    write({ home: HOME });
    writeFileSync(systemFile, '{"PROXMOX_HOST": "pve.home"}');
    expect(refusal(settings).message).toContain('The system-wide file fixes PROXMOX_HOST for one cluster');
  });

  test('a missing variable is reported with its cluster', () => {
    write({ home: HOME, work: { PROXMOX_HOST: 'a.work' } });
    const work = load().clusters?.().get('work');
    expect(refusal(() => work && requireCredentials(work, 'work'))).toMatchObject({
      code: 'missing_credentials',
      message: 'Not configured for the cluster work: PROXMOX_TOKEN_ID, PROXMOX_TOKEN_SECRET.',
    });
  });

  test('the demo has one embedded cluster, or two by their names, and never reads the file', () => {
    expect(settings({ PROXMOX_CLUSTERS_FILE: '/nonexistent/file' }, true)).not.toHaveProperty('clusters');
    expect(settings({ PROXMOX_DEMO_CLUSTERS: '2' }, true).clusters?.map(({ name }) => name)).toEqual(['home', 'work']);
  });
});

describe('a rule of the policy that names clusters', () => {
  const policy = (rules: object[]) => {
    const path = join(home, 'policy.json');
    writeFileSync(path, JSON.stringify({ rules }));
    return path;
  };

  test('counts on these alone; a rule that names none counts on all', () => {
    const path = policy([
      { match: { cluster: ['work'] }, never: true },
      { match: { effect: ['destroy'] }, way: 'human' },
    ]);
    write({ home: { ...HOME, PROXMOX_POLICY_FILE: path }, work: { ...WORK, PROXMOX_POLICY_FILE: path } });
    const [homes, work] = settings().clusters ?? [];
    expect(homes?.policy.rules).toEqual([{ match: { effect: ['destroy'] }, never: false, method: 'human' }]);
    expect(work?.policy.rules).toEqual([
      { match: {}, never: true },
      { match: { effect: ['destroy'] }, never: false, method: 'human' },
    ]);
  });

  test('is refused where no cluster has that name, because it would fit nothing', () => {
    const path = policy([{ match: { cluster: ['wrok'] }, never: true }]);
    write({ work: { ...WORK, PROXMOX_POLICY_FILE: path } });
    expect(refusal(settings)).toMatchObject({
      code: 'invalid_configuration',
      message: expect.stringContaining('a rule about the cluster "wrok"'),
      hint: 'Correct the rule. Clusters: work.',
    });
    const alone = () => settings({ PROXMOX_CLUSTERS_FILE: undefined, PROXMOX_POLICY_FILE: path });
    expect(refusal(alone)).toMatchObject({ code: 'invalid_configuration' });
  });
});
