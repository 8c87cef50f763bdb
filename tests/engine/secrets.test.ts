import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { createVault } from '../../src/engine/secrets.ts';

const folder = mkdtempSync(join(tmpdir(), 'vault-'));
afterAll(() => rmSync(folder, { recursive: true }));
const CANARY = 'canary-hunter2';
const schema = z.strictObject({
  name: z.string(),
  cloud_init: z.strictObject({ user: z.string().optional(), password: z.string().min(5).meta({ secret: true }).optional() }).optional(),
  list: z.array(z.strictObject({ key: z.string().meta({ secret: true }) })).optional(),
});
const args = { name: CANARY, cloud_init: { user: 'u', password: CANARY }, list: [{ key: CANARY }] };

describe('the vault', () => {
  it('replaces marked arguments wherever they stand, and nothing else', () => {
    const hidden = createVault(folder).conceal(schema, args) as typeof args;
    expect(hidden.name).toBe(CANARY);
    expect(JSON.stringify([hidden.cloud_init, hidden.list])).not.toContain(CANARY);
    expect(hidden.cloud_init.password).toEqual({ $secret: expect.stringMatching(/^[0-9a-f]{32}$/) });
  });
  it('gives equal secrets equal ids in every process of the installation, and others in another', () => {
    const other = mkdtempSync(join(tmpdir(), 'vault-'));
    const ids = [folder, folder, other].map((dir) => createVault(dir).idsIn(createVault(dir).conceal(schema, args))[0]);
    rmSync(other, { recursive: true });
    expect(ids[0]).toBe(ids[1]);
    expect(ids[0]).not.toBe(ids[2]);
  });
  it('reveals what another process sealed, and refuses what was tampered with', () => {
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
  it('keeps its key for itself', () => {
    createVault(folder).conceal(schema, args);
    expect(statSync(join(folder, 'secret.key')).mode & 0o777).toBe(0o600);
  });
});
