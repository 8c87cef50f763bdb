import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TOKEN_HEADER } from '../../src/console/app.ts';
import { IDLE_SECONDS, LIFETIME_SECONDS } from '../../src/console/sessions.ts';
import { cookieOf, type Open, openConsolePlace } from './place.ts';

let open: Open;
beforeEach(async () => {
  open = await openConsolePlace();
});
afterEach(() => open.close());

const login = (secret: string, headers: Record<string, string | undefined> = {}) =>
  open.ask('POST', '/api/login/link', { headers, body: { secret } });

describe('the link', () => {
  test('logs in once', async () => {
    const secret = open.links.issue();
    expect((await login(secret)).status).toBe(200);
    const again = await login(secret);
    expect(again.status).toBe(401);
    expect(again.json.error?.code).toBe('login_refused');
    expect(again.headers['set-cookie']).toBeUndefined();
  });

  test('is good for less than sixty seconds', async () => {
    const [young, old] = [59, 60];
    const first = open.links.issue();
    open.clock.pass(young);
    expect((await login(first)).status).toBe(200);
    const second = open.links.issue();
    open.clock.pass(old);
    expect((await login(second)).status).toBe(401);
  });

  test('is void once a newer one was shown', async () => {
    const [older, newer] = [open.links.issue(), open.links.issue()];
    expect((await login(older)).status).toBe(401);
    expect((await login(newer)).status).toBe(200);
  });

  test('is not consumed by fetching pages, and a wrong guess does not void it', async () => {
    const secret = open.links.issue();
    for (const path of ['/', '/api/logins', '/api/session', `/?link=${secret}`, `/api/login/link?secret=${secret}`])
      await open.ask('GET', path);
    expect((await login('x'.repeat(43))).status).toBe(401);
    expect((await login(secret)).status).toBe(200);
  });

  test('is a random 256-bit secret', () => {
    const secrets = new Set(Array.from({ length: 100 }, () => open.links.issue()));
    expect(secrets.size).toBe(100);
    for (const secret of secrets) expect(Buffer.from(secret, 'base64url')).toHaveLength(32);
  });
});

describe('the session', () => {
  test('is a cookie that scripts cannot read and other sites cannot send', async () => {
    const answer = await login(open.links.issue());
    const cookie = String(answer.headers['set-cookie']);
    expect(cookie).toMatch(/; HttpOnly/);
    expect(cookie).toMatch(/; SameSite=Strict/);
    expect(cookie).toMatch(/; Path=\//);
    expect(cookie).not.toMatch(/Max-Age|Expires/);
  });

  test('needs the cookie and the token of the page, because a cookie has no port', async () => {
    const session = await open.logIn();
    expect((await open.ask('GET', '/api/session', { headers: session })).status).toBe(200);
    expect((await open.ask('GET', '/api/session', { headers: { Cookie: session.Cookie } })).status).toBe(401);
    expect((await open.ask('GET', '/api/session', { headers: { [TOKEN_HEADER]: session[TOKEN_HEADER] } })).status).toBe(401);
    const other = await open.logIn();
    expect((await open.ask('GET', '/api/session', { headers: { ...session, [TOKEN_HEADER]: other[TOKEN_HEADER] } })).status).toBe(401);
  });

  test('ends when it was idle for long', async () => {
    const session = await open.logIn();
    open.clock.pass(IDLE_SECONDS - 1);
    expect((await open.ask('GET', '/api/session', { headers: session })).status).toBe(200);
    open.clock.pass(IDLE_SECONDS + 1);
    expect((await open.ask('GET', '/api/session', { headers: session })).json.error?.code).toBe('signed_out');
    expect((await open.ask('GET', '/api/session', { headers: session })).status).toBe(401);
  });

  test('ends after a day, however much it was used', async () => {
    const session = await open.logIn();
    for (let passed = 0; passed < LIFETIME_SECONDS; passed += IDLE_SECONDS / 2) {
      expect((await open.ask('GET', '/api/session', { headers: session })).status).toBe(200);
      open.clock.pass(IDLE_SECONDS / 2);
    }
    open.clock.pass(1);
    expect((await open.ask('GET', '/api/session', { headers: session })).status).toBe(401);
  });

  test('ends when its owner signs out', async () => {
    const session = await open.logIn();
    expect((await open.ask('POST', '/api/logout', { headers: session, body: {} })).status).toBe(200);
    expect((await open.ask('GET', '/api/session', { headers: session })).status).toBe(401);
  });
});

describe('refused', () => {
  const deciding = '/api/approvals/apr_1/approve';

  test.each([
    ['another host', { Host: 'evil.example' }],
    ['another host of the same port', { Host: 'evil.example:PORT' }],
    ['another origin', { Origin: 'https://evil.example' }],
    ['another port of this computer', { Origin: 'http://127.0.0.1:1' }],
    ['no origin', { Origin: undefined }],
    ['an opaque origin', { Origin: 'null' }],
    ['another site, as the browser says', { 'Sec-Fetch-Site': 'cross-site' }],
    ['another port, as the browser says', { 'Sec-Fetch-Site': 'same-site' }],
    ['what a plain form sends', { 'Content-Type': 'application/x-www-form-urlencoded' }],
    ['what a plain form can make look like JSON', { 'Content-Type': 'text/plain' }],
  ])('a decision from %s, even with both secrets of a session', async (_, headers) => {
    const session = await open.logIn();
    const real = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value?.replace('PORT', String(open.port))]));
    const answer = await open.ask('POST', deciding, { headers: { ...session, ...real }, body: { typed: 'web1 105' } });
    expect(answer.status).toBe(403);
    expect(open.engine.calls).toEqual([]);
  });

  test('the same for logging in', async () => {
    const secret = open.links.issue();
    expect((await login(secret, { Host: 'evil.example' })).status).toBe(403);
    expect((await login(secret, { Origin: 'https://evil.example' })).status).toBe(403);
    expect((await login(secret)).status).toBe(200);
  });

  test('a decision without a session, or with one whose secrets are empty', async () => {
    for (const headers of [{}, { Cookie: '', [TOKEN_HEADER]: '' }, { Cookie: `proxmox-mcp-console-${open.port}=`, [TOKEN_HEADER]: '' }]) {
      expect((await open.ask('POST', deciding, { headers, body: { typed: 'web1 105' } })).status).toBe(401);
    }
    expect(open.engine.calls).toEqual([]);
  });

  test('every address that reads or decides, without a session', async () => {
    const paths = ['session', 'live', 'cluster', 'audit', 'audit/verification', 'runs/run_1', 'nothing'];
    for (const path of paths) expect([path, (await open.ask('GET', `/api/${path}`)).status]).toEqual([path, 401]);
    for (const path of ['logout', 'approvals/apr_1/deny'])
      expect([path, (await open.ask('POST', `/api/${path}`, { body: {} })).status]).toEqual([path, 401]);
    expect(open.engine.calls).toEqual([]);
  });

  test('deciding by GET, so that no link or image can', async () => {
    const session = await open.logIn();
    expect((await open.ask('GET', deciding, { headers: session })).status).toBe(404);
    expect(open.engine.calls).toEqual([]);
  });
});

test('every answer, refusals included, carries the policy that keeps scripts, frames and referrers out', async () => {
  const session = await open.logIn();
  const answers = [
    await open.ask('GET', '/'),
    await open.ask('GET', '/app.js'),
    await open.ask('GET', '/nothing'),
    await open.ask('GET', '/', { headers: { Host: 'evil.example' } }),
    await open.ask('GET', '/api/session', { headers: session }),
    await open.ask('GET', '/api/session'),
  ];
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 404, 403, 200, 401]);
  for (const { headers } of answers) {
    expect(String(headers['content-security-policy']).split('; ')).toEqual([
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "img-src 'self'",
      "connect-src 'self'",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
      "require-trusted-types-for 'script'",
      "trusted-types 'none'",
    ]);
    expect(headers).toMatchObject({
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'permissions-policy': 'camera=(), geolocation=(), microphone=()',
      'cache-control': 'no-store',
    });
    // It would bind every other service of the same host.
    expect(headers['strict-transport-security']).toBeUndefined();
  }
});

test('two consoles of one computer keep their cookies apart behind https, too', async () => {
  const names = [];
  for (const port of [8443, 9443]) {
    const origin = `https://mcp.example.org:${port}`;
    const logins = { loginWithToken: async () => ({ principal: 'token:anna', owner: 'anna', name: 'anna', isOperator: true }) };
    const one = await openConsolePlace({ origins: () => [origin], logins });
    const headers = { Host: new URL(origin).host, Origin: origin };
    names.push(cookieOf(await one.ask('POST', '/api/login/token', { headers, body: { token: 'x', passphrase: 'y' } })).split('=')[0]);
    await one.close();
  }
  expect(names).toEqual(['__Host-proxmox-mcp-console-8443', '__Host-proxmox-mcp-console-9443']);
});

test('following a link to the page is fine from anywhere', async () => {
  const headers = { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'navigate' };
  expect((await open.ask('GET', '/', { headers })).status).toBe(200);
});

test('two consoles of one computer keep their cookies apart', async () => {
  const other = await openConsolePlace();
  try {
    const cookies = [cookieOf(await login(open.links.issue())), (await other.logIn()).Cookie];
    expect(cookies[0]?.split('=')[0]).not.toBe(cookies[1]?.split('=')[0]);
  } finally {
    await other.close();
  }
});

describe('mounted below a path, behind https', () => {
  let mounted: Open;
  beforeEach(async () => {
    mounted = await openConsolePlace({
      basePath: '/console',
      origins: () => ['https://mcp.example.org'],
      logins: {
        loginWithToken: async (token, passphrase) =>
          token === 'pmcp_right' && passphrase === 'correct horse'
            ? {
                principal: 'token:anna',
                owner: 'anna',
                name: 'anna',
                isOperator: true,
                role: 'approver',
                passphraseVerified: true,
                until: mounted.clock.now() + 3_600_000,
              }
            : undefined,
      },
    });
  });
  afterEach(() => mounted.close());
  const from = { Host: 'mcp.example.org', Origin: 'https://mcp.example.org' };

  test('the page is there, and its address ends with a slash', async () => {
    expect((await mounted.ask('GET', '/console/', { headers: from })).body).toBe('index.html');
    const moved = await mounted.ask('GET', '/console', { headers: from });
    expect([moved.status, moved.headers.location]).toEqual([302, '/console/']);
    expect((await mounted.ask('GET', '/console/app.js', { headers: from })).status).toBe(200);
    expect((await mounted.ask('GET', '/console/api/logins', { headers: from })).json).toEqual({ link: false, token: true });
  });

  test('an approver logs in with token and passphrase, and decides as themselves', async () => {
    const post = (path: string, body: object, headers: Record<string, string> = {}) =>
      mounted.ask('POST', `/console/api/${path}`, { headers: { ...from, ...headers }, body });
    expect((await post('login/token', { token: 'pmcp_right', passphrase: 'wrong' })).status).toBe(401);
    expect((await post('login/link', { secret: mounted.links.issue() })).status).toBe(401);
    const answer = await post('login/token', { token: 'pmcp_right', passphrase: 'correct horse' });
    expect(String(answer.headers['set-cookie'])).toMatch(/^__Host-.*; Path=\/.*; Secure/);
    expect(cookieOf(answer)).toMatch(/^__Host-proxmox-mcp-console-443=/);
    const session = { Cookie: cookieOf(answer), [TOKEN_HEADER]: String(answer.json.token) };
    expect((await post('approvals/apr_1/approve', { typed: 'web1 105' }, session)).status).toBe(200);
    expect(mounted.engine.calls[0]?.caller).toEqual({
      principal: 'token:anna',
      owner: 'anna',
      isOperator: true,
      role: 'approver',
      passphraseVerified: true,
      channel: 'console',
      canAsk: { elicitation: false, terminal: false },
    });
  });

  test('a session does not outlive the token that opened it', async () => {
    const answer = await mounted.ask('POST', '/console/api/login/token', {
      headers: from,
      body: { token: 'pmcp_right', passphrase: 'correct horse' },
    });
    const headers = { ...from, Cookie: cookieOf(answer), [TOKEN_HEADER]: String(answer.json.token) };
    mounted.clock.pass(3599);
    expect((await mounted.ask('GET', '/console/api/session', { headers })).status).toBe(200);
    mounted.clock.pass(1);
    expect((await mounted.ask('POST', '/console/api/approvals/apr_1/approve', { headers, body: { typed: 'web1 105' } })).status).toBe(401);
    expect(mounted.engine.calls).toEqual([]);
  });
});
