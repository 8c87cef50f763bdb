import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { conceal, unreachableSecrets } from '../../../src/engine/input/conceal.ts';
import { createVault } from '../../../src/engine/input/secrets.ts';
import { operations } from '../../../src/operations/index.ts';
import { isSecret, secret } from '../../../src/operations/secret.ts';

const folder = mkdtempSync(join(tmpdir(), 'vault-'));
afterAll(() => rmSync(folder, { recursive: true }));
const CANARY = 'canary-hunter2';
const schema = z.strictObject({
  name: z.string(),
  cloud_init: z.strictObject({ user: z.string().optional(), password: secret(z.string().min(5)).optional() }).optional(),
  list: z.array(z.strictObject({ key: secret(z.string()) })).optional(),
});
const args = { name: CANARY, cloud_init: { user: 'u', password: CANARY }, list: [{ key: CANARY }] };

describe('the vault', () => {
  it('replaces marked arguments wherever they stand, and nothing else', () => {
    const hidden = createVault(folder).conceal(schema, args) as typeof args;
    expect(hidden.name).toBe(CANARY);
    expect(JSON.stringify([hidden.cloud_init, hidden.list])).not.toContain(CANARY);
    expect(hidden.cloud_init.password).toEqual({ $secret: expect.stringMatching(/^[0-9a-f]{32}$/) });
  });
  it('leaves arguments of which no secret can be a part as they are', () => {
    const plain = { limit: 10, tags: ['a'] };
    const tags = z.array(z.string().optional());
    expect(createVault(folder).conceal(z.strictObject({ limit: z.int(), tags }), plain)).toBe(plain);
  });
  it('gives equal secrets equal ids in every process of the installation, and others in another', () => {
    const other = mkdtempSync(join(tmpdir(), 'vault-'));
    const ids = [folder, folder, other].map((dir) => createVault(dir).idsIn(createVault(dir).conceal(schema, args))[0]);
    rmSync(other, { recursive: true });
    expect(ids[0]).toBe(ids[1]);
    expect(ids[0]).not.toBe(ids[2]);
  });
  it('reveals a secret that another process sealed, and refuses a changed one', () => {
    const vault = createVault(folder);
    const id = vault.idsIn(vault.conceal(schema, args))[0] ?? '';
    const { sealed } = vault.seal(id);
    expect(sealed).not.toContain(CANARY);
    expect(createVault(folder).reveal(id, sealed)).toBe(CANARY);
    const bytes = Buffer.from(sealed, 'base64');
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    expect(() => createVault(folder).reveal(id, bytes.toString('base64'))).toThrow(expect.objectContaining({ code: 'interrupted' }));
    const rekeyed = mkdtempSync(join(tmpdir(), 'vault-'));
    expect(() => createVault(rekeyed).reveal(id, sealed)).toThrow(expect.objectContaining({ code: 'interrupted' }));
    rmSync(rekeyed, { recursive: true });
    expect(() => createVault(folder).reveal(id, undefined)).toThrow(expect.objectContaining({ code: 'interrupted' }));
  });
  it('forgets a value with the last call that brought it', () => {
    const vault = createVault(folder);
    const [one, two] = [vault.conceal(schema, args), vault.conceal(schema, args)];
    const id = vault.idsIn(one)[0] ?? '';
    vault.forget(one);
    expect(vault.reveal(id, undefined)).toBe(CANARY);
    vault.forget(two);
    for (const use of [() => vault.reveal(id, undefined), () => vault.seal(id)])
      expect(use).toThrow(expect.objectContaining({ code: 'interrupted' }));
  });
  it('keeps its key in a file of its own', () => {
    createVault(folder).conceal(schema, args);
    expect(statSync(join(folder, 'secret.key')).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual(['secret.key']);
  });
  it.each([
    ['an empty key, as after a power cut', 0],
    ['half a key', 16],
    ['more than a key', 64],
  ])('takes no %s', (_what, bytes) => {
    const file = join(folder, 'secret.key');
    writeFileSync(file, Buffer.alloc(bytes, 7));
    const message = expect.stringContaining(`${file} has ${bytes} bytes`);
    expect(() => createVault(folder).conceal(schema, args)).toThrow(expect.objectContaining({ code: 'invalid_configuration', message }));
    expect(readFileSync(file)).toHaveLength(bytes);
  });
});

/** `s` in the schema, `s: CANARY` in the value: each in a place of another kind. */
const marked = () => secret(z.string());
const wrapped = (inner: z.ZodType) => z.object({ s: inner });
interface Node {
  s: string;
  next?: Node | undefined;
}
const tree: z.ZodType<Node> = z.object({ s: marked(), next: z.lazy(() => tree).optional() });
const probes: [string, z.ZodType, unknown][] = [
  ['optional', wrapped(marked().optional()), { s: CANARY }],
  ['nullable', wrapped(marked().nullable()), { s: CANARY }],
  ['default', wrapped(marked().default('none')), { s: CANARY }],
  ['prefault', wrapped(marked().prefault('none')), { s: CANARY }],
  ['readonly', wrapped(marked().readonly()), { s: CANARY }],
  ['catch', wrapped(marked().catch('none')), { s: CANARY }],
  ['described', wrapped(marked().describe('a password')), { s: CANARY }],
  ['nested object', wrapped(wrapped(marked())), { s: { s: CANARY } }],
  ['catchall', z.object({}).catchall(marked()), { s: CANARY }],
  ['array', wrapped(z.array(marked())), { s: [CANARY, CANARY] }],
  ['tuple', wrapped(z.tuple([z.string(), marked()])), { s: ['x', CANARY] }],
  ['rest of a tuple', wrapped(z.tuple([z.string()], marked())), { s: ['x', CANARY, CANARY] }],
  ['record', wrapped(z.record(z.string(), marked())), { s: { any: CANARY } }],
  ['union', wrapped(z.union([z.number(), marked()])), { s: CANARY }],
  ['second branch of a union', wrapped(z.union([wrapped(z.number()), wrapped(marked())])), { s: { s: CANARY } }],
  [
    'discriminated union',
    wrapped(z.discriminatedUnion('k', [z.object({ k: z.literal('a') }), z.object({ k: z.literal('b'), s: marked() })])),
    { s: { k: 'b', s: CANARY } },
  ],
  ['intersection', wrapped(z.intersection(z.object({ a: z.string() }), wrapped(marked()))), { s: { a: 'x', s: CANARY } }],
  ['pipe', wrapped(marked().pipe(z.string().max(100))), { s: CANARY }],
  ['preprocess', wrapped(z.preprocess((value) => value, marked())), { s: CANARY }],
  ['lazy', tree, { s: CANARY, next: { s: CANARY } }],
];

describe('a secret in a schema', () => {
  it.each(probes)('is concealed under %s', (_kind, schema, value) => {
    const parsed = schema.parse(value) as Parameters<typeof conceal>[1];
    const hidden = conceal(schema, parsed, () => ({ $secret: 'id' }));
    expect(JSON.stringify(parsed)).toContain(CANARY);
    expect(JSON.stringify(hidden)).not.toContain(CANARY);
    expect(JSON.stringify(hidden)).toContain('$secret');
    expect(unreachableSecrets(schema)).toEqual([]);
  });

  it.each([
    ['the keys of a record', wrapped(z.record(marked(), z.string()))],
    ['the input of a transformation', wrapped(marked().transform((text) => text.length))],
    ['a set', wrapped(z.set(marked()))],
    ['a map', wrapped(z.map(z.string(), marked()))],
  ])('is refused in %s, where it cannot be concealed', (_kind, schema) => {
    expect(unreachableSecrets(schema)).toEqual([expect.stringContaining('(string)')]);
    expect(() => createVault(folder).conceal(schema, {})).toThrow('mark a secret where it cannot be concealed');
  });

  it('can be concealed in every operation there is', () => {
    expect(operations.flatMap(({ input }) => unreachableSecrets(input))).toEqual([]);
    const { cloud_init } = operations.find(({ name }) => name === 'create_vm')?.input.shape ?? {};
    const { password } = (cloud_init as unknown as { def: { innerType: z.ZodObject } }).def.innerType.shape;
    expect(isSecret((password as z.ZodOptional).def.innerType)).toBe(true);
  });
});
