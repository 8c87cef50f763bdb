import { describe, expect, it, vi } from 'vitest';
import { networks } from '../../../src/core/network.ts';
import { clientAddress } from '../../../src/http/auth/addresses.ts';
import { createGate, type Fault, identify, resourceMetadata } from '../../../src/http/auth/gate.ts';
import { createTokenVerifier, newToken } from '../../../src/http/auth/tokens.ts';
import { type Identity, identityOf, missingScope, roleOfScopes, toAuthInfo } from '../../../src/mcp/identity.ts';
import type { Operation } from '../../../src/operations/define.ts';
import type { TokenRecord } from '../../../src/store/schema.ts';

const identity: Identity = {
  principal: 'token:ci',
  owner: 'anna',
  role: 'operator',
  mayApprove: false,
  trustsClient: false,
  expiresAt: 1_800_000_000,
};

describe('addresses', () => {
  it('are believed hop by hop, from the right, as far as trusted proxies wrote them', () => {
    const proxies = networks(['10.0.0.0/24']);
    expect(clientAddress('::ffff:10.0.0.1', ' 203.0.113.5 , ::ffff:10.0.0.2 ', proxies)).toBe('203.0.113.5');
    expect(clientAddress('10.0.0.1', '203.0.113.5, ,10.0.0.2', proxies)).toBe('10.0.0.2');
    expect(clientAddress('10.0.0.1', '10.0.0.3,10.0.0.2', proxies)).toBe('10.0.0.3');
    expect(clientAddress('10.0.0.1', '', proxies)).toBe('10.0.0.1');
    // Some proxies append the port, too.
    expect(clientAddress('10.0.0.1', '203.0.113.5:4711,10.0.0.2:50000', proxies)).toBe('203.0.113.5');
    expect(clientAddress('10.0.0.1', '[2001:db8::5]:4711', proxies)).toBe('2001:db8::5');
    expect(clientAddress('10.0.0.1', '2001:db8::5', proxies)).toBe('2001:db8::5');
    expect(clientAddress('::ffff:192.0.2.1', '10.0.0.9', proxies)).toBe('192.0.2.1');
  });
});

describe('a token', () => {
  const NOW = Date.parse('2026-01-01T00:00:00Z');
  const made = newToken();
  const row = (over: Partial<TokenRecord> = {}): TokenRecord => ({
    id: made.id,
    name: 'ci',
    owner: 'anna',
    role: 'operator',
    hash: made.hash,
    cidrs: [],
    trustsClient: true,
    createdAt: '2025-12-01T00:00:00.000Z',
    expiresAt: '2026-01-01T00:00:01.500Z',
    ...over,
  });
  function verifier(over: Partial<TokenRecord> = {}, now: { at: number } = { at: NOW }) {
    const touched: unknown[][] = [];
    const touch = vi.fn(async (...given: unknown[]) => void touched.push(given));
    const rows = { get: async (id: string) => (id === made.id ? row(over) : undefined), touch };
    const verify = createTokenVerifier(rows, { now: () => now.at, elapsed: () => now.at, sleep: async () => {} });
    return { verify: (token = made.token, address = '192.0.2.1') => verify(token, address), touched, touch };
  }

  it('is 256 random bits, of which only the hash is kept, and the id follows from it', () => {
    expect(made.token).toMatch(/^pmcp_[\w-]{43}$/);
    expect(made.hash).toMatch(/^[0-9a-f]{64}$/);
    expect(made.id).toBe(`tok_${made.hash.slice(0, 16)}`);
    expect(newToken().token).not.toBe(made.token);
  });

  it('gives the identity behind it', async () => {
    const known = { principal: 'token:ci', owner: 'anna', role: 'operator', trustsClient: true, expiresAt: Math.floor(NOW / 1000) + 1 };
    expect(await verifier().verify()).toStrictEqual({ ...known, mayApprove: false });
    const scope = { pools: ['p'] };
    expect(await verifier({ role: 'approver', scope }).verify()).toStrictEqual({ ...known, role: 'approver', scope, mayApprove: true });
  });

  it.each<[string, Partial<TokenRecord>, string]>([
    ['with the id of another one', { hash: 'f'.repeat(64) }, 'unknown'],
    ['revoked', { revokedAt: '2025-12-31' }, 'revoked'],
    ['at the moment of its end', { expiresAt: '2026-01-01T00:00:00.000Z' }, 'expired'],
    ['from elsewhere', { cidrs: ['10.0.0.0/8', '203.0.113.0/24'] }, 'address'],
  ])('is rejected: %s', async (_case, over, fault) => {
    const { verify, touch } = verifier(over);
    expect(await verify()).toBe(fault);
    expect(touch).not.toHaveBeenCalled();
  });
  it('is rejected when the store lacks its id, and accepted from one of its networks', async () => {
    expect(await verifier().verify(newToken().token)).toBe('unknown');
    expect(await verifier({ cidrs: ['10.0.0.0/8', '192.0.2.0/24'] }).verify()).toMatchObject({ principal: 'token:ci' });
  });

  it('records its use once a minute, and again after a failed write', async () => {
    const now = { at: NOW };
    const { verify, touched, touch } = verifier({ expiresAt: '2027-01-01' }, now);
    await verify();
    now.at = NOW + 60_000;
    await verify();
    expect(touched).toEqual([[made.id, '2026-01-01T00:00:00.000Z']]);
    touch.mockRejectedValueOnce(new Error('the store is away'));
    now.at = NOW + 60_001;
    expect(await verify()).toMatchObject({ principal: 'token:ci' });
    await Promise.resolve();
    await verify();
    expect(touched.at(-1)).toEqual([made.id, '2026-01-01T00:01:00.001Z']);
    expect(touch).toHaveBeenCalledTimes(3);
  });
});

describe('the role of OAuth scopes', () => {
  it.each<[string[], string | undefined]>([
    [['proxmox:read'], 'viewer'],
    [['openid', 'proxmox:write'], 'operator'],
    [['proxmox:approve', 'proxmox:write'], 'operator'],
    [['proxmox:read', 'proxmox:approve'], 'approver'],
    [['openid'], undefined],
    [[], undefined],
  ])('%o: %s', (scopes, role) => expect(roleOfScopes(scopes)).toBe(role));

  it('and what the SDK carries, which is never the token', () => {
    expect(toAuthInfo(identity)).toEqual({
      token: '',
      clientId: 'token:ci',
      scopes: ['proxmox:read', 'proxmox:write'],
      expiresAt: identity.expiresAt,
      extra: { identity },
    });
    expect(toAuthInfo({ ...identity, role: 'viewer' }).scopes).toEqual(['proxmox:read']);
    expect(toAuthInfo({ ...identity, role: 'approver', mayApprove: true }).scopes).toEqual(['proxmox:read', 'proxmox:approve']);
    expect(identityOf(toAuthInfo(identity))).toBe(identity);
    expect(identityOf(undefined)).toBeUndefined();
    expect(identityOf({ token: '', clientId: '', scopes: [] })).toBeUndefined();
  });

  it('and the one that a caller lacks', () => {
    const stop = { name: 'stop_vm', effect: 'disrupt' } as Operation;
    expect(missingScope(toAuthInfo({ ...identity, role: 'viewer' }), stop)).toBe('proxmox:write');
    expect(missingScope(toAuthInfo({ ...identity, role: 'viewer' }), { effect: 'read' } as Operation)).toBeUndefined();
    expect(missingScope(toAuthInfo(identity), stop)).toBeUndefined();
    expect(missingScope(undefined, stop)).toBeUndefined();
  });
});

describe('the gate', () => {
  const metadata = 'https://mcp.example.org/.well-known/oauth-protected-resource/mcp';
  const through = async (header: string | undefined, found: Identity | Fault, options: object = {}) => {
    const asked: string[][] = [];
    const refused: string[][] = [];
    const token = async (...given: string[]) => {
      asked.push(given);
      return found;
    };
    const gate = createGate({ token, oauth: token, onRefused: (...why: string[]) => refused.push(why), ...options } as Parameters<
      typeof createGate
    >[0]);
    const headers = header === undefined ? {} : { authorization: header };
    const answer = await gate(new Request('https://mcp.example.org/mcp', { headers }), '192.0.2.1');
    const challenge = answer instanceof Response ? (answer.headers.get('www-authenticate') ?? '') : '';
    return { answer, status: answer instanceof Response ? answer.status : 0, challenge, asked, refused };
  };

  it.each(['Bearer pmcp_a', 'bearer  pmcp_a', ' BEARER pmcp_a ', 'Bearer pmcp_a'])('accepts "%s"', async (header) => {
    const { answer, asked, refused } = await through(header, identity);
    expect(answer).toEqual(toAuthInfo(identity));
    expect(asked).toEqual([['pmcp_a', '192.0.2.1']]);
    expect(refused).toEqual([]);
  });
  it('takes every character of a token', async () => {
    expect((await through('Bearer aZ09_.~+/=-', identity)).asked).toEqual([['aZ09_.~+/=-']]);
  });
  it('names the metadata only where it exists', async () => {
    expect((await through('Bearer a', identity, { resourceMetadataUrl: metadata })).answer).toMatchObject({
      resourceMetadataUrl: metadata,
    });
    expect((await through('Bearer a', identity)).answer).not.toHaveProperty('resourceMetadataUrl');
    expect((await through('Bearer a', 'invalid', { resourceMetadataUrl: metadata })).challenge).toContain(
      `resource_metadata="${metadata}"`,
    );
    expect((await through('Bearer a', 'invalid')).challenge).not.toContain('resource_metadata');
  });
  it.each(['', 'Bearer', 'Basic abc', 'Bearer a b', 'x Bearer a', 'Bearer ä', 'Bearera'])('calls no verifier for "%s"', async (header) => {
    const { status, challenge, asked, refused } = await through(header, identity);
    expect(status).toBe(401);
    expect(challenge).toContain('The Authorization header must be: Bearer TOKEN');
    expect(asked).toEqual([]);
    expect(refused).toEqual([['malformed', '192.0.2.1']]);
  });
  it('answers a request without credentials with a challenge, without an error', async () => {
    const { status, challenge, refused } = await through(undefined, identity, { resourceMetadataUrl: metadata });
    expect(status).toBe(401);
    expect(challenge).toMatch(/^Bearer scope="proxmox:read", resource_metadata=/);
    expect(refused).toEqual([['missing', '192.0.2.1']]);
  });
  it.each<[Fault, number, string]>([
    ['expired', 401, 'error="invalid_token", error_description="The access token has expired"'],
    ['invalid', 401, 'error="invalid_token", error_description="The access token is not valid here"'],
    ['unknown', 401, 'The access token is not valid here'],
    ['address', 401, 'The access token is not valid here'],
    ['scope', 403, 'error="insufficient_scope"'],
  ])('refuses %s with %i', async (fault, code, says) => {
    const { status, challenge, refused } = await through('Bearer a', fault);
    expect(status).toBe(code);
    expect(challenge).toContain(says);
    expect(refused).toEqual([[fault, '192.0.2.1']]);
  });
  it('asks for a retry when the authorization server is unavailable', async () => {
    const { answer, status } = await through('Bearer a', 'unavailable');
    expect(status).toBe(503);
    expect((answer as Response).headers.get('retry-after')).toBe('5');
    expect(await (answer as Response).json()).toMatchObject({ error: 'temporarily_unavailable' });
  });
  it('calls the verifier of the kind of token, and rejects it where there is none', async () => {
    const verifiers = { token: async () => identity, oauth: async () => 'expired' as const };
    expect(await identify(verifiers, 'pmcp_a', '')).toBe(identity);
    expect(await identify(verifiers, 'eyJ.pmcp_', '')).toBe('expired');
    expect(await identify({ oauth: verifiers.oauth }, 'pmcp_a', '')).toBe('unknown');
    expect(await identify({ token: verifiers.token }, 'eyJ', '')).toBe('unknown');
  });
});

describe('the document about the resource', () => {
  const at = (path: string) => resourceMetadata(path, { resource: new URL('https://mcp.example.org/mcp'), issuer: 'https://issuer' });
  const base = '/.well-known/oauth-protected-resource';
  it('is at its two places', () => {
    for (const path of [base, `${base}/mcp`])
      expect(at(path), path).toMatchObject({ resource: 'https://mcp.example.org/mcp', authorization_servers: ['https://issuer'] });
  });
  it('is nowhere else', () => {
    for (const path of ['/mcp', `${base}/other`, `${base}/`]) expect(at(path), path).toBeUndefined();
  });
});
