import { generateKeyPairSync } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createOAuthVerifier, type OAuthOptions } from '../../../src/http/auth/oauth.ts';

/** An authorization server whose documents are what a test says, by path. */
let server: Server;
let origin: string;
let documents: Record<string, unknown>;
let asked: string[];
let keys: Awaited<ReturnType<typeof generateKeyPair>>;
let jwks: { keys: object[] };
beforeAll(async () => {
  keys = await generateKeyPair('ES256');
  jwks = { keys: [{ ...(await exportJWK(keys.publicKey)), kid: 'k', alg: 'ES256' }] };
  server = createServer((request, response) => {
    const path = request.url ?? '';
    asked.push(path);
    const document = documents[path];
    if (document === undefined) return response.writeHead(404).end('{}');
    if (typeof document === 'number') return response.writeHead(document, { location: `${origin}/elsewhere` }).end('{}');
    response.end(typeof document === 'string' ? document : JSON.stringify(document));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

const OAUTH = '/.well-known/oauth-authorization-server';
const OPENID = '/.well-known/openid-configuration';
beforeEach(() => {
  asked = [];
  documents = { '/keys': jwks, [OAUTH]: { issuer: origin, jwks_uri: `${origin}/keys` } };
});

const now = () => Math.floor(Date.now() / 1000);
const sign = (claims: object = {}, header: object = {}) => {
  const payload = { iss: origin, aud: 'mcp', sub: 'anna', exp: now() + 600, scope: 'proxmox:read', ...claims };
  const present = Object.fromEntries(Object.entries(payload).filter(([, value]) => value !== undefined));
  return new SignJWT(present).setProtectedHeader({ alg: 'ES256', kid: 'k', ...header }).sign(keys.privateKey);
};
const verifier = (over: Partial<OAuthOptions> = {}) =>
  createOAuthVerifier({ issuer: origin, audiences: ['mcp', 'other'], trustedSubjects: ['anna'], ...over });
const verified = async (claims: object = {}, over: Partial<OAuthOptions> = {}, header: object = {}) =>
  verifier(over)(await sign(claims, header));

describe('a JWT', () => {
  it('gives the identity behind it, and when it expires', async () => {
    const exp = now() + 100;
    const known = { principal: 'oauth:anna', owner: 'anna', expiresAt: exp };
    expect(await verified({ exp })).toEqual({ ...known, role: 'viewer', mayApprove: false, trustsClient: true });
    expect(await verified({ exp, sub: 'bert', scope: 'proxmox:write proxmox:approve', aud: ['other'] })).toEqual({
      principal: 'oauth:bert',
      owner: 'bert',
      expiresAt: exp,
      role: 'operator',
      mayApprove: true,
      trustsClient: false,
    });
  });

  it('may carry its scopes as a text or a list, and any other kind is ignored', async () => {
    expect(await verified({ scope: undefined, scp: ['proxmox:approve'] })).toMatchObject({ role: 'approver' });
    expect(await verified({ scope: ['x', 'proxmox:write'] })).toMatchObject({ role: 'operator' });
    for (const none of [{ scope: undefined }, { scope: 'x' }, { scope: 5 }, { scope: { toString: 1 } }, { scope: [['proxmox:read']] }])
      expect(await verified(none)).toBe('scope');
  });

  it.each<[string, object, object, string]>([
    ['of another issuer', { iss: 'https://evil.example.org' }, {}, 'invalid'],
    ['for another audience', { aud: 'x' }, {}, 'invalid'],
    ['without an audience', { aud: undefined }, {}, 'invalid'],
    ['without an issuer', { iss: undefined }, {}, 'invalid'],
    ['without an end', { exp: undefined }, {}, 'invalid'],
    ['without a subject', { sub: undefined }, {}, 'invalid'],
    ['that ended more than ten seconds ago', { exp: now() - 60 }, {}, 'expired'],
    ['that begins in a minute', { nbf: now() + 60 }, {}, 'invalid'],
    ['of another type', {}, { typ: 'id+jwt' }, 'invalid'],
    ['of a type that only ends alike', {}, { typ: 'x/jwt' }, 'invalid'],
    ['of a type that only begins alike', {}, { typ: 'jwtx' }, 'invalid'],
    ['of a type that is not a text', {}, { typ: 5 }, 'invalid'],
    ['with a blank subject', { sub: ' ' }, {}, 'invalid'],
    ['with an empty subject', { sub: '' }, {}, 'invalid'],
    ['with a subject of 256 characters', { sub: 'a'.repeat(256) }, {}, 'invalid'],
    ['with a subject that is not a text', { sub: 5 }, {}, 'invalid'],
    ['with a list as its subject', { sub: ['anna'] }, {}, 'invalid'],
    ['with a control character in its subject', { sub: 'a\u0007b' }, {}, 'invalid'],
    ['with a line separator in its subject', { sub: 'a\u2028b' }, {}, 'invalid'],
  ])('%s does not count', async (_case, claims, header, fault) => expect(await verified(claims, {}, header)).toBe(fault));

  it.each(['at+jwt', 'application/at+jwt', 'JWT', 'application/jwt'])('of the type %s is accepted', async (typ) =>
    expect(await verified({}, {}, { typ })).toMatchObject({ owner: 'anna' }),
  );
  it('may have expired some seconds ago, by a clock that differs, and a subject of 255 characters', async () => {
    expect(await verified({ exp: now() - 3 })).toMatchObject({ owner: 'anna' });
    expect(await verified({ sub: 'a'.repeat(255) })).toMatchObject({ role: 'viewer' });
  });
  it('is not one without three parts', async () => {
    expect(await verifier()('nonsense')).toBe('invalid');
  });
});

describe('the keys', () => {
  it('are looked for in both documents, and fetched once', async () => {
    const verify = verifier();
    await verify(await sign());
    await verify(await sign());
    expect(asked).toEqual([OAUTH, '/keys']);
    documents = { '/keys': jwks, [OPENID]: { issuer: origin, jwks_uri: `${origin}/keys` } };
    expect(await verified()).toMatchObject({ owner: 'anna' });
  });

  it('are looked for in the second document when the first cannot be had', async () => {
    documents = { '/keys': jwks, [OAUTH]: 302, [OPENID]: { issuer: origin, jwks_uri: `${origin}/keys` } };
    expect(await verified()).toMatchObject({ owner: 'anna' });
  });

  it('are those of the issuer with its path', async () => {
    const issuer = `${origin}/realms/a`;
    documents = { '/keys': jwks, [`${OAUTH}/realms/a`]: { issuer, jwks_uri: `${origin}/keys` } };
    expect(await verified({ iss: issuer }, { issuer })).toMatchObject({ owner: 'anna' });
    const slashed = `${issuer}/`;
    documents = { '/keys': jwks, [`/realms/a${OPENID}`]: { issuer: slashed, jwks_uri: `${origin}/keys` } };
    expect(await verified({ iss: slashed }, { issuer: slashed })).toMatchObject({ owner: 'anna' });
  });

  it('come from the address that the operator set, without a read of the documents', async () => {
    expect(await verified({}, { jwksUrl: `${origin}/keys` })).toMatchObject({ owner: 'anna' });
    expect(asked).toEqual(['/keys']);
  });

  it.each<[string, unknown]>([
    ['speaks for another issuer', { issuer: 'https://evil.example.org', jwks_uri: 'KEYS' }],
    ['names no keys', { issuer: 'ORIGIN' }],
    ['names keys that are not a text', { issuer: 'ORIGIN', jwks_uri: 5 }],
    ['is not JSON', 'nonsense'],
    ['fails', 500],
    ['leads elsewhere', 302],
  ])('are not taken from a document that %s', async (_case, document) => {
    const text = JSON.stringify(document).replace('ORIGIN', origin).replace('KEYS', `${origin}/keys`);
    documents[OAUTH] = document === 'nonsense' ? document : JSON.parse(text);
    documents['/elsewhere'] = { issuer: origin, jwks_uri: `${origin}/keys` };
    expect(await verified()).toBe('unavailable');
    expect(asked).not.toContain('/keys');
    expect(asked).not.toContain('/elsewhere');
  });

  it('that cannot be fetched now leave it open whether the token is valid, and are requested again', async () => {
    documents['/keys'] = 500;
    const verify = verifier();
    expect(await verify(await sign())).toBe('unavailable');
    documents['/keys'] = jwks;
    expect(await verify(await sign())).toMatchObject({ owner: 'anna' });
    expect(await verified({}, { issuer: 'http://127.0.0.1:9' })).toBe('unavailable');
  });

  it('are all tried for a token that names none of them', async () => {
    const other = await generateKeyPair('ES256');
    documents['/keys'] = { keys: [await exportJWK(other.publicKey), await exportJWK(keys.publicKey)] };
    expect(await verified({}, {}, { kid: undefined })).toMatchObject({ owner: 'anna' });
    expect(await verified({ exp: now() - 60 }, {}, { kid: undefined })).toBe('expired');
    documents['/keys'] = { keys: [await exportJWK(other.publicKey), await exportJWK(other.publicKey)] };
    expect(await verified({}, {}, { kid: undefined })).toBe('invalid');
  });

  it('that cannot be used do not hide the right one, also where both have one name', async () => {
    const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' });
    const { privateKey, publicKey } = await generateKeyPair('RS256');
    documents['/keys'] = { keys: [short, await exportJWK(publicKey)].map((key) => ({ ...key, kid: 'k' })) };
    const claims = { iss: origin, aud: 'mcp', sub: 'anna', exp: now() + 600, scope: 'proxmox:read' };
    for (const header of [{ kid: 'k' }, {}]) {
      const token = await new SignJWT(claims).setProtectedHeader({ alg: 'RS256', ...header }).sign(privateKey);
      expect(await verifier()(token)).toMatchObject({ owner: 'anna' });
    }
  });

  it('that are not a set of keys say nothing about the token', async () => {
    documents['/keys'] = { error: 'maintenance' };
    expect(await verified()).toBe('unavailable');
  });

  it('are looked for once by all requests that wait for them', async () => {
    documents = { '/keys': jwks };
    const verify = verifier();
    expect(await Promise.all(['a', 'b', 'c'].map(verify))).toEqual(['unavailable', 'unavailable', 'unavailable']);
    expect(asked).toEqual([OAUTH, OPENID]);
    documents[OAUTH] = { issuer: origin, jwks_uri: `${origin}/keys` };
    expect(await verify(await sign())).toMatchObject({ owner: 'anna' });
  });
});
