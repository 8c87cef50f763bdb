import { readFileSync } from 'node:fs';
import { encode } from 'gpt-tokenizer/encoding/o200k_base';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type * as z from 'zod';
import { asError } from '../../src/core/errors/errors.ts';
import type { Params, Plan, RequestStep } from '../../src/core/plan/plan.ts';
import { unreachableSecrets } from '../../src/engine/input/conceal.ts';
import { commonOf } from '../../src/operations/common.ts';
import { operations } from '../../src/operations/index.ts';
import { isSecret } from '../../src/operations/secret.ts';
import { form, type WireParams } from '../../src/proxmox/guest/encode.ts';
import { renderApproval } from '../../src/render/approval-text.ts';
import { renderError, renderResult } from '../../src/render/result.ts';
import { validateRequest } from '../../src/simulator/contract.ts';
import { openWith } from '../helpers/example.ts';
import { operationNamed } from '../helpers/operations.ts';
import { openWorld, type World } from '../helpers/world.ts';

// Rules that hold for every operation there is. An operation that is added is under them at once; its definition brings the example.

const tokens = (text: string) => encode(text).length;
/** Requests that change the configuration of a guest. */
const CONFIGURES = /\/(qemu|lxc)\/\d+\/(config|resize|move_disk|move_volume)$/;
const changing = operations.flatMap((operation) => ('plan' in operation ? [operation.name] : []));

it('has an example for each operation on the cluster', () => {
  expect(operations.filter(({ effect, example }) => effect !== 'control' && example === undefined).map(({ name }) => name)).toEqual([]);
});

describe('an answer to a model', () => {
  const reading = operations.filter(({ effect }) => effect === 'read');
  let world: World;
  beforeAll(async () => {
    world = await openWorld({}, { seed: { guests: 3000 } });
  });
  afterAll(() => world?.close());

  it.each(reading)('of $name is at most 6,000 tokens at 3,000 guests, or says what it left out', async (operation) => {
    for (const args of [operation.example ?? {}, {}]) {
      const result = await world.call(operation.name, args).catch((thrown: unknown) => asError(thrown));
      const { forModel, text } = 'kind' in result ? renderResult(result, { tables: operation }) : renderError(result);
      expect(tokens(JSON.stringify(forModel)), JSON.stringify(args)).toBeLessThanOrEqual(6000);
      expect(tokens(text)).toBeLessThanOrEqual(6000);
    }
  });

  it.each(operations.filter(({ name }) => name.startsWith('list_')))('of $name is a table', ({ output, table }) => {
    expect(Object.keys(output.shape)).toContain(table);
  });
});

describe.each(changing)('a plan of %s', (name) => {
  let world: World;
  let plan: Plan;
  let sentBefore = 0;
  beforeAll(async () => {
    world = await openWith(name);
    sentBefore = world.cluster.mutations().length;
    const result = await world.call(name, operationNamed(name).example ?? {}, { dryRun: true });
    if (result.kind !== 'dry_run' || !result.plan) throw new Error(`no plan: ${result.kind}`);
    plan = result.plan;
  });
  afterAll(() => world?.close());

  it('says how to undo it, or that it cannot be undone', () => {
    expect(plan.undo).toMatch(/\S{3}/);
  });

  it('has a summary of one line', () => {
    expect(plan.summary).toMatch(/^\S.*\S$/);
  });

  it('changes something, states what each request is for, and what holds at the end', () => {
    const requests = plan.steps.filter((step) => step.kind === 'request');
    expect(requests.length).toBeGreaterThan(0);
    expect(plan.steps.filter(({ purpose }) => purpose.trim() === '')).toEqual([]);
    expect(plan.expected.length).toBeGreaterThan(0);
  });

  it('names the digest of each configuration that it changes, and has a task where Proxmox offers one', () => {
    // Proxmox may execute a request late: then the digest keeps it from overwriting what was changed meanwhile.
    const changes = plan.steps.filter((step) => step.kind === 'request' && CONFIGURES.test(step.path)) as RequestStep[];
    expect(changes.filter(({ params }) => params.digest === undefined)).toEqual([]);
    const onVm = changes.filter(({ path }) => /\/qemu\/\d+\/config$/.test(path));
    expect(onVm.filter(({ method, task }) => method !== 'POST' || task === undefined)).toEqual([]);
  });

  it('names each step once', () => {
    const ids = plan.steps.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('holds requests that Proxmox VE 9.2 accepts as written', () => {
    for (const step of plan.steps) {
      if (step.kind !== 'request') continue;
      expect(validateRequest(step.method, step.path, wire(step.params)), step.id).toEqual({});
    }
  });

  it('is made without a change to the cluster', () => {
    expect(world.cluster.mutations().length).toBe(sentBefore);
  });
});

const destructive = operations.filter(({ effect }) => effect === 'destroy' || effect === 'disrupt').map(({ name }) => name);
it.each(destructive)('the text of an approval of %s says how to undo it, or that it cannot be undone', async (name) => {
  const world = await openWith(name);
  try {
    const result = await world.call(name, operationNamed(name).example ?? {});
    if (result.kind !== 'approval_required') throw new Error(`not asked but ${result.kind}`);
    const { plan } = result.approval;
    expect(plan.undo).toMatch(/\S{3}/);
    expect(renderApproval(result.approval)).toContain(`Undo: ${plan.undo}`);
  } finally {
    await world.close();
  }
});

/** Names of parameters that hold secrets in every interface there is. `sshkeys` are public. */
const SECRET_NAMES = /passw|passphrase|secret|token|private|credential|api_?key/i;

/** Paths of the texts of an input that its schema marks, or that are named like a secret. */
function secretPaths(schema: z.core.$ZodType, wanted: (schema: z.core.$ZodType, name: string) => boolean, path: string[] = []): string[][] {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  if (wanted(schema, path.at(-1) ?? '') && def.type === 'string') return [path];
  if (def.type === 'object') return Object.entries(def.shape).flatMap(([name, inner]) => secretPaths(inner, wanted, [...path, name]));
  if (def.type === 'array') return secretPaths(def.element, wanted, path);
  return 'innerType' in def ? secretPaths(def.innerType as z.core.$ZodType, wanted, path) : [];
}

describe.each(operations)('the secrets of $name', ({ name, input }) => {
  it('are marked wherever a parameter is named like one', () => {
    const named = secretPaths(input, (_, key) => SECRET_NAMES.test(key));
    const unmarked = secretPaths(input, (schema, key) => SECRET_NAMES.test(key) && !isSecret(schema));
    expect(unmarked).toEqual([]);
    expect(secretPaths(input, isSecret)).toEqual(named);
  });

  it('can all be reached by the redactor', () => {
    expect(unreachableSecrets(input)).toEqual([]);
  });

  it.each(secretPaths(input, isSecret))('do not come back: %s', async (...path) => {
    const canary = 'canary-hunter2';
    const args = path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), canary);
    const world = await openWorld();
    try {
      const result = await world.call(name, { ...operationNamed(name).example, ...(args as object) }, { dryRun: true });
      expect(result.kind).toBe('dry_run');
      expect(JSON.stringify(result)).not.toContain(canary);
      expect(JSON.stringify(world.audit())).not.toContain(canary);
    } finally {
      await world.close();
    }
  });
});

/** Parameters as Proxmox's form parser reads them. */
function wire(params: Params): Record<string, string> {
  return Object.fromEntries(new URLSearchParams(form(params as WireParams)));
}

/** The tools that the first column of the tables of a document names. */
function tabled(path: string, header: RegExp): string[] {
  const text = readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
  const table = text.split(/\n\n/).find((block) => header.test(block)) ?? '';
  return table.split('\n').flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`([a-z_]+)`/g)].map(([, name]) => name ?? ''));
}

describe.each([
  ['README.md', /^\| Tool \|/],
  ['docs/SKILL.md', /^\| operation \|/],
])('the table of %s', (path, header) => {
  it('names every tool once, and none that does not exist', () => {
    expect(tabled(path, header).sort()).toEqual(operations.map(({ name }) => name).sort());
  });
});

it('SKILL.md names parameters that its operations have', () => {
  const text = readFileSync(new URL('../../docs/SKILL.md', import.meta.url), 'utf8');
  const rows = text.split('\n').filter((row) => operations.some(({ name }) => row.startsWith(`| \`${name}\``)));
  expect(rows).toHaveLength(operations.length);
  for (const row of rows) {
    const [, tool = '', needs = '', may = ''] = row.split('|');
    const operation = operations.find(({ name }) => tool.includes(`\`${name}\``));
    if (!operation) continue;
    const names = [...`${needs} ${may}`.matchAll(/`([^`]+)`/g)].flatMap(([, list = '']) => list.split(' ')).filter((name) => name !== '…');
    const known = [...Object.keys(operation.input.shape), ...Object.values(operation.byName ?? {}), ...commonOf(operation)];
    expect(
      names.filter((name) => !known.includes(name)),
      tool,
    ).toEqual([]);
  }
});
