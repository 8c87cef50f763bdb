import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { describe as described, VARIABLES } from '../../src/config/schema.ts';
import { requireCredentials, toSettings } from '../../src/config/settings.ts';

let home: string;
let systemFile: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'config-'));
  systemFile = join(home, 'system.json');
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

type Env = Record<string, string | undefined>;
const load = (env: Env = {}, envFile?: string) => loadConfig({ env: { XDG_CONFIG_HOME: home, ...env }, envFile, systemFile });
const settings = (env: Env = {}, demo = false) => toSettings(load(env), { env: { XDG_STATE_HOME: home, ...env }, demo });
/** The message that a wrong value is refused with. */
function refusal(work: () => unknown): { code: string; message: string } {
  try {
    work();
  } catch (error) {
    return error as { code: string; message: string };
  }
  throw new Error('it was not refused');
}

describe('where values come from', () => {
  test('environment, then the env file, then the file in the home folder, then the default', () => {
    mkdirSync(join(home, 'proxmox-mcp'));
    const usual = join(home, 'proxmox-mcp', 'env');
    writeFileSync(usual, 'PROXMOX_MAX_CPU=3\nPROXMOX_MAX_VMS=3\nPROXMOX_MAX_DISK_GB=3\n', { mode: 0o600 });
    const named = join(home, 'named.env');
    writeFileSync(named, '# comment\nPROXMOX_MAX_CPU=2\nPROXMOX_MAX_VMS="2"\n', { mode: 0o600 });
    const { config, sources } = load({ PROXMOX_MAX_CPU: '1' }, named);
    expect([config.PROXMOX_MAX_CPU, config.PROXMOX_MAX_VMS, config.PROXMOX_MAX_DISK_GB, config.PROXMOX_MAX_RAM_MB]).toEqual([
      1, 2, 3, 32_768,
    ]);
    expect(sources).toMatchObject({
      PROXMOX_MAX_CPU: 'environment',
      PROXMOX_MAX_VMS: named,
      PROXMOX_MAX_DISK_GB: usual,
      PROXMOX_MAX_RAM_MB: 'default',
    });
  });

  test('the variable PROXMOX_ENV_FILE names an env file', () => {
    const named = join(home, 'named.env');
    writeFileSync(named, 'PROXMOX_NODE=two\n', { mode: 0o600 });
    expect(load({ PROXMOX_ENV_FILE: named }).config.PROXMOX_NODE).toBe('two');
  });

  test('without quotes, # begins a comment only after a blank, as in a shell', () => {
    const named = join(home, 'named.env');
    const text = "PROXMOX_TOKEN_SECRET=abc#def # the token\nexport PROXMOX_NODE='a#b'\n# PROXMOX_STORAGE=x\nPROXMOX_STORAGE=#none\n";
    writeFileSync(named, text, { mode: 0o600 });
    const { config, sources } = load({}, named);
    expect(config).toMatchObject({ PROXMOX_TOKEN_SECRET: 'abc#def', PROXMOX_NODE: 'a#b' });
    expect(sources).toMatchObject({ PROXMOX_STORAGE: 'default' });
  });

  test.each([
    ['PROXMOX_READ_ONLY true\n', 'Line 1 of'],
    ['# a comment\n\nPROXMOX_READ_ONLY: true\n', 'Line 3 of'],
    ['{"PROXMOX_READ_ONLY": "true"}', 'Line 1 of'],
    ['PROXMOX_NODE="one\nPROXMOX_POOL=two\n', 'Line 1 of'],
    ["PROXMOX_NODE='one'two\n", 'Line 1 of'],
    ["PROXMOX_POOL='a\nb'\nPROXMOX_READ_ONLY\nsecret\n", 'Line 3, and 1 more, of'],
  ])('a line that is not an assignment is refused by its number, because the limit that it sets would not hold: %j', (text, words) => {
    const named = join(home, 'strange.env');
    writeFileSync(named, text, { mode: 0o600 });
    const refused = expect.objectContaining({ code: 'invalid_configuration', message: `${words} ${named} cannot be understood.` });
    expect(() => load({}, named)).toThrow(refused);
  });

  test('comments of a shell and of systemd, blank lines, and the mark that some editors begin with are understood', () => {
    const named = join(home, 'marked.env');
    writeFileSync(named, '\uFEFFPROXMOX_NODE="one" # a comment\r\n\r\n  # PROXMOX_POOL two\r\n; x\r\n\texport PROXMOX_POOL = two\r\n', {
      mode: 0o600,
    });
    expect(load({}, named).config).toMatchObject({ PROXMOX_NODE: 'one', PROXMOX_POOL: 'two' });
  });

  test('Node reads --env-file too and cuts at #: its reading of the file does not count as the environment', () => {
    const named = join(home, 'named.env');
    writeFileSync(named, 'PROXMOX_TOKEN_SECRET=abc#def\nPROXMOX_NODE=two\n', { mode: 0o600 });
    const { config, sources } = load({ PROXMOX_TOKEN_SECRET: 'abc', PROXMOX_NODE: 'one' }, named);
    expect([config.PROXMOX_TOKEN_SECRET, sources.PROXMOX_TOKEN_SECRET]).toEqual(['abc#def', named]);
    expect([config.PROXMOX_NODE, sources.PROXMOX_NODE]).toEqual(['one', 'environment']);
  });

  test('an env file that is not there is an error, not a silence', () => {
    expect(refusal(() => load({}, join(home, 'none')))).toMatchObject({ code: 'invalid_configuration' });
  });

  test('a file that others can read is refused', () => {
    mkdirSync(join(home, 'proxmox-mcp'));
    const usual = join(home, 'proxmox-mcp', 'env');
    writeFileSync(usual, 'PROXMOX_TOKEN_SECRET=x\n');
    chmodSync(usual, 0o640);
    expect(refusal(() => load())).toMatchObject({
      code: 'invalid_configuration',
      message: `Other users of this machine can read or change ${usual}, which may hold secrets.`,
      hint: `Run: chmod 600 ${usual}`,
    });
  });

  test('a named file that other users can read, or its group can change, is refused; its group may read it', () => {
    const named = join(home, 'named.env');
    writeFileSync(named, 'PROXMOX_MAX_CPU=2 # a comment\nPROXMOX_TOKEN_SECRET="a#b"\n');
    for (const mode of [0o644, 0o620, 0o602]) {
      chmodSync(named, mode);
      for (const refused of [() => load({}, named), () => load({ PROXMOX_ENV_FILE: named })])
        expect(refusal(refused)).toMatchObject({ code: 'invalid_configuration', hint: `Run: chmod 600 ${named}` });
    }
    chmodSync(named, 0o640);
    expect(load({}, named).config).toMatchObject({ PROXMOX_MAX_CPU: 2, PROXMOX_TOKEN_SECRET: 'a#b' });
  });

  test('the working folder is never read', () => {
    const before = process.cwd();
    const elsewhere = mkdtempSync(join(tmpdir(), 'cwd-'));
    writeFileSync(join(elsewhere, '.env'), 'PROXMOX_MAX_CPU=99\n');
    process.chdir(elsewhere);
    try {
      expect(load().config.PROXMOX_MAX_CPU).toBe(16);
    } finally {
      process.chdir(before);
      rmSync(elsewhere, { recursive: true });
    }
  });

  test('an empty value counts as absent', () => {
    expect(load({ PROXMOX_NODE: '', PROXMOX_MAX_CPU: ' ' }).config).toMatchObject({ PROXMOX_MAX_CPU: 16 });
    expect(load({ PROXMOX_NODE: '' }).config.PROXMOX_NODE).toBeUndefined();
  });

  test('a misspelt variable is noted', () => {
    const { notes, mistaken } = load({ PROXMOX_MAX_CPUS: '4', PROXMOX_VE_ENDPOINT: 'https://pve' });
    const misspelt = 'PROXMOX_MAX_CPUS (from environment) is not a setting of this server and is ignored. Did you mean PROXMOX_MAX_CPU?';
    expect(notes).toEqual([misspelt, 'PROXMOX_VE_ENDPOINT (from environment) is not a setting of this server and is ignored.']);
    // The other one is of another program.
    expect(mistaken).toEqual([misspelt]);
  });
});

describe('values', () => {
  test('the defaults are those that users of the skill know', () => {
    const { limits, connection, defaults, approval } = settings({ PROXMOX_HOST: 'pve.example.org' });
    expect(limits).toEqual({ maxCpu: 16, maxRamMib: 32_768, maxDiskGib: 500, maxVms: 50, scope: { kind: 'visible' }, mediaHosts: [] });
    expect(connection).toMatchObject({ endpoints: [{ host: 'pve.example.org', port: 8006 }], verifySsl: false });
    expect(defaults).toEqual({ node: 'pve', nodeIsExplicit: false });
    expect(approval).toMatchObject({ mode: 'auto', ttlSeconds: 900 });
  });

  test.each([
    ['192.168.1.10', [{ host: '192.168.1.10', port: 8007 }]],
    ['https://pve.example.org:8006/', [{ host: 'pve.example.org', port: 8006 }]],
    ['https://pve.example.org/#v1:0:18', [{ host: 'pve.example.org', port: 8007 }]],
    ['https://pve.example.org:443', [{ host: 'pve.example.org', port: 443 }]],
    [
      'a:1, b , [fe80::1]:3',
      [
        { host: 'a', port: 1 },
        { host: 'b', port: 8007 },
        { host: 'fe80::1', port: 3 },
      ],
    ],
    ['2001:db8::5', [{ host: '2001:db8::5', port: 8007 }]],
  ])('host %s', (text, endpoints) => {
    expect(settings({ PROXMOX_HOST: text, PROXMOX_PORT: '8007' }).connection.endpoints).toEqual(endpoints);
  });

  test.each([
    ['PROXMOX_HOST', 'http://pve:8006', 'host name'],
    ['PROXMOX_HOST', 'not a host', 'host name'],
    ['PROXMOX_HOST', 'user:pw@host', 'host name'],
    ['PROXMOX_PORT', '80a6', '1 to 65535'],
    ['PROXMOX_PORT', '0', '1 to 65535'],
    ['PROXMOX_TOKEN_ID', 'mcp@pve', '"!name" of the token is missing'],
    ['PROXMOX_TOKEN_ID', 'mcp!agent', '"@realm" of the user is missing'],
    ['PROXMOX_TOKEN_ID', 'mcp@pve!agent=1234', 'belongs in PROXMOX_TOKEN_SECRET'],
    ['PROXMOX_TOKEN_ID', 'PVEAPIToken=root@pam!x', 'without "PVEAPIToken=" before it'],
    ['PROXMOX_TOKEN_ID', 'PVEAPIToken=root@pam!x=1234', 'without "PVEAPIToken=" before it'],
    ['PROXMOX_VERIFY_SSL', 'maybe', 'true or false'],
    ['PROXMOX_FINGERPRINT', 'AA:BB', 'SHA-256'],
    ['PROXMOX_MAX_CPU', '-1', '1 to 8192'],
    ['PROXMOX_MAX_CPU', '2.5', '1 to 8192'],
    ['PROXMOX_QUOTA_SCOPE', 'pool', 'pool:NAME'],
    ['PROXMOX_APPROVAL', 'never', 'relay, auto, human'],
    ['PROXMOX_DATA_DIR', 'data', 'absolute path'],
    ['PROXMOX_LOG_LEVEL', 'loud', 'fatal, error'],
    ['PROXMOX_HTTP_PUBLIC_URL', 'https://mcp.example.org/mcp', 'without a path'],
    ['PROXMOX_HTTP_PUBLIC_URL', 'https://example.org/pve/', 'without a path'],
    ['PROXMOX_HTTP_PUBLIC_URL', 'https://mcp.example.org/?a', 'without a path'],
    ['PROXMOX_HTTP_PUBLIC_URL', 'http://mcp.example.org', 'https://'],
  ])('%s=%s is refused and says what would be right', (name, value, expected) => {
    const error = refusal(() => load({ [name]: value }));
    expect(error.code).toBe('invalid_configuration');
    expect(error.message).toContain(name);
    expect(error.message).toContain(expected);
  });

  test('a refused secret is not repeated', () => {
    const error = refusal(() => load({ PROXMOX_TOKEN_ID: 'mcp@pve!agent=canary-secret' }));
    expect(JSON.stringify(error)).not.toContain('canary');
  });

  test('every wrong variable is named at once', () => {
    const { message } = refusal(() => load({ PROXMOX_PORT: 'x', PROXMOX_MAX_VMS: 'y' }));
    expect(message).toContain('PROXMOX_PORT');
    expect(message).toContain('PROXMOX_MAX_VMS');
  });

  test('booleans, scopes, fingerprints and the home folder', () => {
    for (const [text, value] of Object.entries({ true: true, TRUE: true, '1': true, false: false, '0': false, no: false }))
      expect(load({ PROXMOX_VERIFY_SSL: text }).config.PROXMOX_VERIFY_SSL, text).toBe(value);
    expect(load({ PROXMOX_QUOTA_SCOPE: 'tag:agents' }).config.PROXMOX_QUOTA_SCOPE).toEqual({ kind: 'tag', tag: 'agents' });
    expect(load({ PROXMOX_QUOTA_SCOPE: 'pool:a/b' }).config.PROXMOX_QUOTA_SCOPE).toEqual({ kind: 'pool', pool: 'a/b' });
    expect(load({ PROXMOX_FINGERPRINT: 'ab'.repeat(32) }).config.PROXMOX_FINGERPRINT).toEqual([Array(32).fill('AB').join(':')]);
    expect(load({ PROXMOX_DATA_DIR: '~/x' }).config.PROXMOX_DATA_DIR).toBe(join(homedir(), 'x'));
  });

  test('the audience of OAuth tokens follows from the address of this server, which must be set', () => {
    const issuer = { PROXMOX_HTTP_OAUTH_ISSUER: 'https://login.example.org' };
    const { http } = settings({ ...issuer, PROXMOX_HTTP_PUBLIC_URL: 'https://MCP.example.org:443/' });
    expect(http).toMatchObject({ publicUrls: ['https://mcp.example.org'], oauth: { audiences: ['https://mcp.example.org/mcp'] } });
    for (const more of [{}, { PROXMOX_HTTP_OAUTH_AUDIENCE: 'api://proxmox' }])
      expect(refusal(() => settings({ ...issuer, ...more })).message).toContain('needs PROXMOX_HTTP_PUBLIC_URL');
  });

  test('this server may be reached under several addresses, and OAuth tokens be made for several names', () => {
    const { http } = settings({
      PROXMOX_HTTP_PUBLIC_URL: 'https://mcp.example.org, https://mcp.internal:8808',
      PROXMOX_HTTP_OAUTH_ISSUER: 'https://login.example.org',
      PROXMOX_HTTP_OAUTH_AUDIENCE: 'api://proxmox,https://mcp.example.org/mcp',
    });
    expect(http).toMatchObject({
      publicUrls: ['https://mcp.example.org', 'https://mcp.internal:8808'],
      oauth: { audiences: ['api://proxmox', 'https://mcp.example.org/mcp'] },
    });
    expect(() => settings({ PROXMOX_HTTP_PUBLIC_URL: 'https://mcp.example.org,http://mcp.internal' })).toThrow('https://');
  });

  test('a node that was named is known as such', () => {
    expect(settings({ PROXMOX_NODE: 'pve' }).defaults).toEqual({ node: 'pve', nodeIsExplicit: true });
  });
});

describe('credentials', () => {
  test('every missing variable is named', () => {
    const error = refusal(() => requireCredentials(load().config)) as unknown as { code: string; exit: number; message: string };
    expect(error).toMatchObject({ code: 'missing_credentials', exit: 2 });
    expect(error.message).toBe('Not configured: PROXMOX_HOST, PROXMOX_TOKEN_ID, PROXMOX_TOKEN_SECRET.');
  });

  test('and only the missing ones', () => {
    expect(refusal(() => requireCredentials(load({ PROXMOX_HOST: 'h', PROXMOX_TOKEN_ID: 'mcp@pve!agent' }).config)).message).toBe(
      'Not configured: PROXMOX_TOKEN_SECRET.',
    );
  });

  test('the demo ignores host and token and keeps to its own folder', () => {
    const demo = settings(
      { PROXMOX_HOST: 'real', PROXMOX_TOKEN_SECRET: 'real', PROXMOX_AUDIT_FILE: '/var/log/audit.jsonl', PROXMOX_MAX_VMS: '3' },
      true,
    );
    expect(demo).toMatchObject({
      connection: { endpoints: [], tokenSecret: '' },
      dataDir: join(home, 'proxmox-mcp/demo'),
      auditFile: join(home, 'proxmox-mcp/demo/audit.jsonl'),
      limits: { maxVms: 3 },
    });
  });
});

describe('ceilings of the machine', () => {
  const ceilings = (values: unknown) => writeFileSync(systemFile, typeof values === 'string' ? values : JSON.stringify(values));

  test.each([
    ['PROXMOX_MAX_VMS', 20, '50', 20],
    ['PROXMOX_MAX_VMS', 20, '10', 10],
    ['PROXMOX_MAX_VMS', 20, undefined, 20],
    ['PROXMOX_MAX_VMS', 90, undefined, 50],
    ['PROXMOX_MAX_TOTAL_CPU', 64, undefined, 64],
    ['PROXMOX_APPROVAL', 'human', 'relay', 'human'],
    ['PROXMOX_APPROVAL', 'relay', 'human', 'human'],
    ['PROXMOX_APPROVAL', 'relay', undefined, 'auto'],
    ['PROXMOX_READ_ONLY', true, 'false', true],
    ['PROXMOX_READ_ONLY', false, 'true', true],
    ['PROXMOX_APPROVAL_TTL', 60, '900', 60],
    ['PROXMOX_DATA_DIR', '/var/lib/proxmox-mcp', '/tmp/mine', '/var/lib/proxmox-mcp'],
    ['PROXMOX_DATABASE_URL', 'postgres://db/shared', 'postgres://localhost/mine', 'postgres://db/shared'],
  ] as const)('%s: ceiling %s, asked for %s, holds %s', (name, ceiling, asked, holds) => {
    ceilings({ [name]: ceiling });
    const { config, sources } = load({ [name]: asked });
    expect(config[name]).toBe(holds);
    expect(sources[name].startsWith(systemFile)).toBe(String(holds) === String(ceiling) && String(asked) !== String(ceiling));
  });

  test.each([
    ['not json'],
    ['[]'],
    [{ PROXMOX_MAX_VMS: 'many' }],
    [{ PROXMOX_TOKEN_SECRET: 'x' }],
    [{ MAX_VMS: 3 }],
    [{ PROXMOX_MAX_VMS: null }],
  ])('a file that cannot be understood stops everything: %j', (values) => {
    ceilings(values);
    expect(refusal(() => load())).toMatchObject({ code: 'invalid_configuration' });
    expect(refusal(() => load()).message).toContain(systemFile);
  });

  test('an empty text means that no source sets it: where approvals are kept and who is trusted to relay them is not up to the environment', () => {
    ceilings({ PROXMOX_DATABASE_URL: '', PROXMOX_HTTP_TRUSTED_SUBJECTS: '' });
    const { config, sources } = load({ PROXMOX_DATABASE_URL: 'postgres://localhost/mine', PROXMOX_HTTP_TRUSTED_SUBJECTS: 'me' });
    expect(config).toMatchObject({ PROXMOX_HTTP_TRUSTED_SUBJECTS: [] });
    expect(config.PROXMOX_DATABASE_URL).toBeUndefined();
    expect(sources.PROXMOX_DATABASE_URL).toContain(systemFile);
    ceilings({ PROXMOX_MAX_VMS: '' });
    expect(refusal(() => load()).message).toContain('PROXMOX_MAX_VMS');
  });

  test('a file that the server could edit itself is noted', () => {
    ceilings({ PROXMOX_MAX_VMS: 20 });
    expect(load().notes).toContain(`${systemFile} can be written by the user who runs this server: its ceilings are advisory.`);
  });
});

test('every variable is described; what holds a secret says so', () => {
  for (const name of VARIABLES) expect(described(name).description.length, name).toBeGreaterThan(20);
  expect(VARIABLES.filter((name) => described(name).secret).sort()).toEqual([
    'PROXMOX_AUDIT_ANCHOR',
    'PROXMOX_DATABASE_URL',
    'PROXMOX_NOTIFY_URL',
    'PROXMOX_TOKEN_SECRET',
  ]);
});
