import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { networks } from '../../../src/core/network.ts';
import { hashPassphrase, isPassphrase } from '../../../src/core/people/passphrase.ts';
import { clientAddress } from '../../../src/http/auth/addresses.ts';
import { newToken } from '../../../src/http/auth/tokens.ts';
import { bearer, type HttpServer, rpc, startHttp, startIssuer } from '../http-server.ts';

const PUBLIC = 'https://mcp.example.org';
const METADATA = `${PUBLIC}/.well-known/oauth-protected-resource/mcp`;
let issuer: Awaited<ReturnType<typeof startIssuer>>;
let server: HttpServer;

beforeAll(async () => {
  issuer = await startIssuer();
  server = await startHttp(() => ({ kind: 'done', output: { vms: [], total: 0, vmid: 100 } }), {
    publicUrls: [PUBLIC],
    oauth: { issuer: issuer.issuer, audiences: [`${PUBLIC}/mcp`], trustedSubjects: [] },
  });
});
afterAll(async () => {
  await server.close();
  await issuer.close();
});

const list = (token?: string) => rpc(server.url, 'tools/list', {}, token === undefined ? {} : bearer(token));
const call = (token: string, name: string) => rpc(server.url, 'tools/call', { name, arguments: { vmid: 100 } }, bearer(token));
const HOUR_AGO = () => new Date(Date.now() - 3_600_000).toISOString();

describe('a refused caller', () => {
  const refused: [string, () => Promise<string | undefined>][] = [
    ['no token', async () => undefined],
    ['an unknown token', async () => newToken().token],
    ['something that is not a token', async () => 'abc'],
    ['an expired token', () => server.token('expired', { expiresAt: HOUR_AGO() })],
    ['a revoked token', () => server.token('revoked', { revokedAt: HOUR_AGO() })],
    ['a token from a wrong address', () => server.token('elsewhere', { cidrs: ['10.0.0.0/8'] })],
    ['an expired JWT', () => issuer.sign({ exp: Math.floor(Date.now() / 1000) - 60 })],
    ['a JWT without an expiry', () => issuer.sign({ exp: undefined })],
    ['a JWT without a subject', () => issuer.sign({ sub: undefined })],
    ['a JWT for another audience', () => issuer.sign({ aud: 'https://other.example.org/mcp' })],
    ['a JWT of another issuer', () => issuer.sign({ iss: 'https://evil.example.org' })],
    ['a JWT that begins to count later', () => issuer.sign({ nbf: Math.floor(Date.now() / 1000) + 600 })],
    ['an ID token', () => issuer.sign({}, { typ: 'id+jwt' })],
    ['a logout token', () => issuer.sign({}, { typ: 'logout+jwt' })],
    ['a JWT with an empty subject', () => issuer.sign({ sub: '' })],
    ['a JWT with a blank subject', () => issuer.sign({ sub: '  ' })],
    ['a JWT with a list as its subject', () => issuer.sign({ sub: ['alice'] })],
    ['a JWT with a subject of 256 characters', () => issuer.sign({ sub: 'a'.repeat(256) })],
    ['a JWT with a line break in its subject', () => issuer.sign({ sub: 'alice\nbob' })],
    ['a JWT with an invisible character in its subject', () => issuer.sign({ sub: 'ali\u200Bce' })],
    ['a JWT with a filler in its subject', () => issuer.sign({ sub: 'alice\u3164' })],
    ['a JWT with a variation selector in its subject', () => issuer.sign({ sub: 'alice\uFE0F' })],
    ['a JWT with a space at the end of its subject', () => issuer.sign({ sub: 'alice ' })],
    ['a JWT with another kind of space in its subject', () => issuer.sign({ sub: 'alice\u00A0smith' })],
    ['a JWT with a subject that reads backwards', () => issuer.sign({ sub: '\u202Eecila' })],
    ['a JWT that another issuer signed', () => issuer.sign({}, { forged: true })],
    ['a JWT signed with the public key as a secret', () => issuer.sign({}, { algorithm: 'HS256' })],
    ['a JWT without a signature', async () => `${btoa('{"alg":"none"}').replaceAll('=', '')}.${(await issuer.sign()).split('.')[1]}.`],
  ];
  it.each(refused)('%s: 401, and where to get a token', async (name, token) => {
    const response = await list(await token());
    expect(response.status).toBe(401);
    const challenge = response.headers.get('www-authenticate') ?? '';
    expect(challenge).toMatch(/^Bearer /);
    // Who sent nothing made no mistake: RFC 6750 section 3.1.
    if (name === 'no token') expect(challenge).toMatch(/^Bearer scope=/);
    else expect(challenge).toContain('error="invalid_token"');
    expect(challenge).toContain('scope="proxmox:read"');
    expect(challenge).toContain(`resource_metadata="${METADATA}"`);
    expect(server.calls).toHaveLength(0);
  });

  it('does not tell a thief that a token is good but not from here', async () => {
    const good = await (await list(await server.token('far-away', { cidrs: ['192.0.2.0/24'] }))).text();
    expect(good).toBe(await (await list(newToken().token)).text());
  });

  it('a JWT without one of our scopes: 403, and which scope to ask for', async () => {
    const response = await list(await issuer.sign({ scope: 'openid profile' }));
    expect(response.status).toBe(403);
    expect(response.headers.get('www-authenticate')).toMatch(/error="insufficient_scope".*scope="proxmox:read"/);
  });

  it('a call beyond the role: 403 with the missing scope, before the engine', async () => {
    const viewer = await server.token('viewer', { role: 'viewer' });
    const approver = await server.token('approver', { role: 'approver' });
    const before = server.calls.length;
    for (const token of [viewer, approver, await issuer.sign({ scope: 'proxmox:read' }), await issuer.sign({ scope: 'proxmox:approve' })]) {
      for (const tool of ['stop_vm', 'create_vm', 'approve', 'deny']) {
        const response = await call(token, tool);
        expect(response.status, tool).toBe(403);
        const challenge = response.headers.get('www-authenticate') ?? '';
        expect(challenge).toMatch(/error="insufficient_scope"/);
        expect(challenge).toContain('scope="proxmox:write"');
        expect(challenge).toContain(METADATA);
      }
    }
    expect(server.calls).toHaveLength(before);
  });
});

describe('an accepted caller', () => {
  const names = async (token: string) => {
    const { result } = (await (await list(token)).json()) as { result: { tools: { name: string }[] } };
    return result.tools.map((tool) => tool.name).sort();
  };

  it('sees the tools of the role', async () => {
    const reading = ['get_vm', 'list_approvals', 'list_vms'];
    expect(await names(await server.token('v', { role: 'viewer' }))).toEqual(reading);
    expect(await names(await server.token('a', { role: 'approver' }))).toEqual(reading);
    expect(await names(await issuer.sign({ scope: 'proxmox:read' }))).toEqual(reading);
    const all = ['approve', 'create_vm', 'delete_vm', 'deny', ...reading, 'start_vm', 'stop_vm'].sort();
    expect(await names(await server.token('o'))).toEqual(all);
    expect(await names(await issuer.sign())).toEqual(all);
    expect(await names(await issuer.sign({ scope: undefined, scp: ['proxmox:write'] }))).toEqual(all);
  });

  it('sees only the prompts and instructions of its role', async () => {
    const asked = async (role: 'viewer' | 'operator', method: string) => {
      const response = await rpc(server.url, method, {}, bearer(await server.token(`${role}-${method.replace('/', '-')}`, { role })));
      return ((await response.json()) as { result: { prompts: unknown[]; instructions: string } }).result;
    };
    expect((await asked('viewer', 'prompts/list')).prompts).toEqual([expect.objectContaining({ name: 'security_review' })]);
    expect((await asked('operator', 'prompts/list')).prompts).toHaveLength(3);
    expect((await asked('viewer', 'server/discover')).instructions).not.toContain('approve');
    expect((await asked('operator', 'server/discover')).instructions).toContain('Call approve only after');
  });

  it('is the principal and the owner of the call, whatever the client says', async () => {
    await call(await server.token('ci', { owner: 'bob', scope: { pools: ['p'] }, role: 'viewer' }), 'get_vm');
    expect(server.calls.at(-1)?.caller).toEqual({
      principal: 'token:ci',
      owner: 'bob',
      channel: 'http',
      client: 'by-hand 1',
      canAsk: { elicitation: false, terminal: false },
      isOperator: false,
      role: 'viewer',
      scope: { pools: ['p'] },
    });
    await call(await issuer.sign({ sub: 'carol' }), 'get_vm');
    expect(server.calls.at(-1)?.caller).toMatchObject({ principal: 'oauth:carol', owner: 'carol', role: 'operator', isOperator: false });
  });

  it('has one owner however its subject is composed (Unicode NFC), and may leave out the type of its token', async () => {
    for (const sub of ['Ren\u00e9', 'Rene\u0301']) {
      for (const typ of ['at+jwt', 'application/at+jwt', 'JWT', undefined]) await call(await issuer.sign({ sub }, { typ }), 'get_vm');
      expect(server.calls.slice(-4).map(({ caller }) => caller.owner)).toEqual(Array(4).fill('Ren\u00e9'));
    }
  });

  it('records when the token was last used', async () => {
    await list(await server.token('traced'));
    await expect.poll(async () => (await server.store.tokens.byName('traced'))?.lastUsedAt).toMatch(/^20/);
  });

  it('loses access at once when the token is revoked', async () => {
    const token = await server.token('short-lived');
    expect((await list(token)).status).toBe(200);
    const row = await server.store.tokens.byName('short-lived');
    await server.store.tokens.revoke(row?.id ?? '', new Date().toISOString());
    expect((await list(token)).status).toBe(401);
  });

  it('fetches the keys of the authorization server once, not for every call', async () => {
    await list(await issuer.sign());
    const asked = issuer.asked();
    for (let n = 0; n < 5; n++) await list(await issuer.sign({ sub: `u${n}` }));
    expect(issuer.asked()).toBe(asked);
  });

  it('keeps only the hash of a token', async () => {
    const token = await server.token('hashed');
    expect(JSON.stringify(await server.store.tokens.list())).not.toContain(token.slice(5));
    expect(token).toMatch(/^pmcp_[\w-]{43}$/);
  });
});

it('publishes the issuer of tokens (RFC 9728)', async () => {
  for (const path of ['/.well-known/oauth-protected-resource/mcp', '/.well-known/oauth-protected-resource']) {
    const response = await fetch(new URL(path, server.url));
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      resource: `${PUBLIC}/mcp`,
      authorization_servers: [issuer.issuer],
      scopes_supported: ['proxmox:read', 'proxmox:write', 'proxmox:approve'],
      bearer_methods_supported: ['header'],
    });
  }
  const document = new URL('/.well-known/oauth-protected-resource?x', server.url);
  const read = await fetch(document, { method: 'HEAD' });
  expect([read.status, read.headers.get('access-control-allow-origin')]).toEqual([200, '*']);
  expect(read.headers.get('cache-control')).toBe('public, max-age=3600');
  expect((await fetch(document, { method: 'POST' })).status).toBe(404);
  expect((await fetch(new URL('/.well-known/oauth-protected-resource/other', server.url))).status).toBe(404);
});

it('reports that the authorization server is down, and not that the token is wrong', async () => {
  const down = await startHttp(() => ({ kind: 'done', output: {} }), {
    publicUrls: [PUBLIC],
    oauth: { issuer: 'http://127.0.0.1:9', audiences: [`${PUBLIC}/mcp`], trustedSubjects: [] },
  });
  const response = await rpc(down.url, 'tools/list', {}, bearer(await issuer.sign()));
  expect(response.status).toBe(503);
  expect(response.headers.get('retry-after')).toBe('5');
  await down.close();
});

describe('addresses', () => {
  it('believes X-Forwarded-For only as far as trusted proxies wrote it', () => {
    const proxies = networks(['10.0.0.0/24']);
    expect(clientAddress('198.51.100.1', '10.9.9.9', proxies)).toBe('198.51.100.1');
    expect(clientAddress('10.0.0.1', '203.0.113.5', proxies)).toBe('203.0.113.5');
    expect(clientAddress('10.0.0.1', '1.2.3.4, 203.0.113.5, 10.0.0.2', proxies)).toBe('203.0.113.5');
    expect(clientAddress('10.0.0.1', null, proxies)).toBe('10.0.0.1');
  });
});

it('stores only the salted hash of a passphrase', async () => {
  const stored = await hashPassphrase('correct horse battery');
  expect(stored).not.toContain('horse');
  expect(stored).not.toBe(await hashPassphrase('correct horse battery'));
  expect(await isPassphrase('correct horse battery', stored)).toBe(true);
  expect(await isPassphrase('correct horse batterz', stored)).toBe(false);
  expect(await isPassphrase('', undefined)).toBe(false);
});
