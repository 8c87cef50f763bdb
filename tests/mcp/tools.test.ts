import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import type { Result } from '../../src/core/result.ts';
import { toolDefinition } from '../../src/mcp/tools.ts';
import { availableIn } from '../../src/operations/available.ts';
import { commonOf } from '../../src/operations/common.ts';
import { operations } from '../../src/operations/index.ts';
import { renderError, renderResult } from '../../src/render/result.ts';
import { approval, plan, run, operations as samples } from '../helpers/answering-engine.ts';

describe('a tool made from an operation', () => {
  const tool = (name: string) => toolDefinition(samples.find((operation) => operation.name === name) as (typeof samples)[number]);

  it('is annotated by effect, all four hints explicit', () => {
    const hints = (name: string) => {
      const { readOnlyHint, destructiveHint, idempotentHint, openWorldHint } = tool(name).annotations ?? {};
      return [readOnlyHint, destructiveHint, idempotentHint, openWorldHint];
    };
    expect(Object.fromEntries(samples.map(({ name }) => [name, hints(name)]))).toEqual({
      list_vms: [true, false, true, false],
      get_vm: [true, false, true, false],
      create_vm: [false, false, false, false],
      start_vm: [false, false, true, false],
      stop_vm: [false, true, true, false],
      delete_vm: [false, true, true, false],
      approve: [false, true, true, false],
      deny: [false, false, true, false],
      list_approvals: [true, false, true, false],
    });
  });

  it('asks hosts to put a human before approve alone', () => {
    const asking = samples.map(toolDefinition).filter(({ _meta }) => _meta?.['anthropic/requiresUserInteraction'] === true);
    expect(asking.map(({ name }) => name)).toEqual(['approve']);
  });

  it('takes its own parameters and the common ones of its effect, and nothing else', () => {
    expect(Object.keys(tool('list_vms').inputSchema.properties ?? {})).toEqual(['status']);
    expect(Object.keys(tool('start_vm').inputSchema.properties ?? {})).toEqual(['vmid', 'dry_run', 'wait_seconds']);
    expect(Object.keys(tool('stop_vm').inputSchema.properties ?? {})).toEqual(['vmid', 'dry_run', 'reason']);
    expect(Object.keys(tool('deny').inputSchema.properties ?? {})).toEqual(['approval_id', 'reason']);
    expect(tool('stop_vm').inputSchema).toMatchObject({ additionalProperties: false, required: ['vmid'] });
  });

  it('keeps our own marks off the wire', () => {
    expect(JSON.stringify(samples.map(toolDefinition))).not.toMatch(/"secret"|\$schema/);
  });

  it('exists in read-only mode only if it changes and decides nothing', () => {
    expect(availableIn(samples, { readOnly: true, toolsets: ['everyday'] }).map(({ name }) => name)).toEqual([
      'list_vms',
      'get_vm',
      'list_approvals',
    ]);
  });
});

const answers: Result[] = [
  { kind: 'dry_run', plan },
  { kind: 'dry_run', plan, requests: ['GET /cluster/resources'] },
  { kind: 'dry_run', plan: { ...plan, existing: { created: false, vmid: 105 } } },
  { kind: 'approval_required', approval },
  { kind: 'running', run, upid: 'UPID:pve:1' },
];

// A client checks what it gets against the schema that it was told, and rejects what does not fit.
describe.each([...samples, ...operations])('$name', (operation) => {
  it('admits every kind of answer in its output schema', () => {
    const schema = z.fromJSONSchema(toolDefinition(operation).outputSchema as Parameters<typeof z.fromJSONSchema>[0]);
    const bodies = [...answers.map((answer) => renderResult(answer, { demo: true, notices: ['n'] })), renderError(new Error('x'))];
    for (const { structured } of bodies) expect(schema.safeParse(structured).error).toBeUndefined();
  });

  it('leaves the names of common parameters to the transport', () => {
    for (const name of commonOf(operation)) expect(Object.keys(operation.input.shape)).not.toContain(name);
  });
});

describe('the wire definition of a tool is a promise to clients', () => {
  it.each(operations)('$name', async (operation) => {
    const text = `${JSON.stringify(toolDefinition(operation), null, 2)}\n`;
    await expect(text).toMatchFileSnapshot(`__snapshots__/${operation.name}.json`);
  });

  it('has no file of a tool that no longer exists', () => {
    const known = operations.map(({ name }) => `${name}.json`);
    expect(readdirSync(new URL('__snapshots__', import.meta.url)).filter((file) => !known.includes(file))).toEqual([]);
  });
});

// Strict converters of model providers refuse or rewrite the request for a free-form map, a choice of schemas or a value without a type.
it('every parameter and every answer has a type, and no parameter is a free-form map', () => {
  const check = (schema: unknown, where: string, isInput: boolean): void => {
    const { type, properties, items, additionalProperties, ...rest } = schema as Record<string, unknown>;
    expect(type, where).toEqual(expect.any(String));
    expect(Object.keys(rest), where).not.toEqual(expect.arrayContaining([expect.stringMatching(/anyOf|oneOf|allOf|not|\$ref|pattern/)]));
    if (isInput && type === 'object') expect(additionalProperties, where).toBe(false);
    // Cells of a table may be of any type.
    if (type === 'array' && (isInput || !/\.rows\[\]$/.test(where))) check(items, `${where}[]`, isInput);
    for (const [name, inner] of Object.entries((properties ?? {}) as object)) check(inner, `${where}.${name}`, isInput);
  };
  for (const { name, inputSchema, outputSchema } of operations.map(toolDefinition)) {
    check(inputSchema, name, true);
    check(outputSchema, `${name} answers`, false);
  }
});

it('every tool has a name, a title and a short description', () => {
  for (const { name, title, description } of operations) {
    expect(name).toMatch(/^[a-z][a-z_]{2,39}$/);
    expect(title.length, name).toBeLessThan(40);
    expect(description.length, name).toBeLessThan(300);
  }
});
