import { describe, expect, test } from 'vitest';
import { toolDefinition } from '../../src/mcp/tools.ts';
import { operations } from '../../src/operations/index.ts';
import { withEngine } from '../helpers/with-engine.ts';
import { rpc, startHttp } from '../http/http-server.ts';

describe('anthropics/claude-code#24597, #59227, #22394, github/github-mcp-server#2044, VibiumDev/vibium#85, anomalyco/opencode#32812: clients that send every value as text', () => {
  const world = withEngine();
  test.each([
    ['a number', 'get_vm', { vmid: '101' }],
    ['a limit', 'list_vms', { limit: '10' }],
    ['a list as JSON', 'get_vm', { vmid: 101, fields: '["snapshots"]' }],
  ])('%s is taken', async (_what, operation, args) => {
    expect((await world().call(operation, args)).kind).toBe('done');
  });
  test('an object as JSON', async () => {
    const result = await world().call('create_vm', { name: 'texts', cores: '2', cloud_init: '{"user": "ops"}' }, { dryRun: true });
    if (result.kind !== 'dry_run') throw new Error(result.kind);
    expect(JSON.stringify(result.plan)).toContain('"ciuser":"ops"');
  });
  test('a value that is not a number is an error', async () => {
    expect((await world().refused(world().call('get_vm', { vmid: '10x' }))).code).toBe('invalid_arguments');
  });
  test.each([
    ['true', true],
    ['false', false],
    ['perhaps', 'refused'],
  ])('dry_run as the text %s is read or refused, and never becomes a real run', async (dry_run, runs) => {
    const seen: unknown[] = [];
    const server = await startHttp(
      ({ options }) => {
        seen.push(options.dryRun ?? false);
        return { kind: 'done', output: {} };
      },
      { open: true },
    );
    try {
      const answer = await (await rpc(server.url, 'tools/call', { name: 'start_vm', arguments: { vmid: 101, dry_run } })).text();
      expect(seen).toEqual(runs === 'refused' ? [] : [runs]);
      expect(answer.includes('invalid_arguments')).toBe(runs === 'refused');
    } finally {
      await server.close();
    }
  });
});

describe('ZenRows/zenrows-mcp#23, CodeWithCJ/SparkyFitness#1540, danny-avila/LibreChat#11905, PhilflowIO/dav-mcp#15: clients that send null for what is not wanted', () => {
  const world = withEngine();
  test('null of an optional parameter is absent', async () => {
    expect((await world().call('list_vms', { name: null, limit: null, status: null })).kind).toBe('done');
    expect((await world().call('stop_vm', { vmid: 100, timeout: null }, { dryRun: true })).kind).toBe('dry_run');
  });
  test('null of a required one is an error', async () => {
    expect((await world().refused(world().call('create_vm', { name: null }))).code).toBe('invalid_arguments');
  });
});

describe('google-gemini/gemini-cli#13326, #22210, aoci-spec/aoci-code#61, sbroenne/mcp-server-excel#672, hahwul/gori#1140: schemas that strict hosts refuse', () => {
  test.each(operations.map((operation) => [operation.name, toolDefinition(operation)] as const))(
    '%s: types everywhere, no free-form map',
    (name, tool) => {
      const text = JSON.stringify(tool.inputSchema);
      for (const word of ['$ref', 'anyOf', 'oneOf', 'allOf', '"type":[']) expect(text).not.toContain(word);
      expect(text).not.toMatch(/"additionalProperties":\{/);
      expect(name.length).toBeLessThanOrEqual(40);
    },
  );
});
