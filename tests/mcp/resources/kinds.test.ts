import { Client } from '@modelcontextprotocol/client';
import { InMemoryTransport, type McpServer } from '@modelcontextprotocol/server';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { createServerFactory } from '../../../src/mcp/server.ts';
import { offeredTool } from '../../../src/mcp/tools.ts';
import { findOperation } from '../../../src/operations/find.ts';
import { operations } from '../../../src/operations/index.ts';
import { agent, openWorld, type World } from '../../helpers/world.ts';

let world: World;
let client: Client;
beforeEach(async () => {
  world = await openWorld();
  const factory = createServerFactory({
    engine: async () => world.engine,
    tools: operations.map(offeredTool),
    operation: findOperation,
    settings: { readOnly: false, toolsets: ['everyday'], demo: false, waitSeconds: 45 },
    caller: () => agent,
    version: '0.0.0',
  });
  const [near, far] = InMemoryTransport.createLinkedPair();
  await ((await factory({ era: 'legacy' })) as McpServer).connect(far);
  client = new Client({ name: 'reader', version: '1' });
  await client.connect(near);
});
afterEach(async () => {
  await client.close();
  await world.close();
});

async function at(uri: string) {
  const { contents } = await client.readResource({ uri });
  return JSON.parse((contents[0] as { text: string }).text);
}
const suggested = async (template: string, typed: string) =>
  (await client.complete({ ref: { type: 'ref/resource', uri: `proxmox://${template}/{id}` }, argument: { name: 'id', value: typed } }))
    .completion.values;

describe('resources', () => {
  it('are five fixed lists, the skill and five templates, and listing them sends nothing to Proxmox', async () => {
    const { resources } = await client.listResources();
    expect(resources.map(({ uri }) => uri)).toEqual([
      ...['guests', 'nodes', 'storages', 'approvals', 'tasks'].map((name) => `proxmox://${name}`),
      'skill://proxmox-mcp/SKILL.md',
    ]);
    const { resourceTemplates } = await client.listResourceTemplates();
    expect(resourceTemplates.map(({ uriTemplate }) => uriTemplate)).toEqual([
      ...['proxmox://guest/{id}', 'proxmox://node/{id}', 'proxmox://storage/{id}', 'proxmox://approvals/{id}', 'proxmox://task/{id}'],
    ]);
    expect(world.cluster.requests).toEqual([]);
  });

  it('read guests, nodes, storages and approvals as their tools do', async () => {
    const id = await world.asks('stop_vm', { vmid: 101 });
    expect((await at('proxmox://guests')).vms).toContainEqual(expect.objectContaining({ vmid: 101 }));
    expect((await at('proxmox://nodes')).nodes.map(({ node }: { node: string }) => node)).toEqual(['pve', 'pve2']);
    expect(await at('proxmox://guest/101')).toMatchObject({ vmid: 101 });
    expect(await at('proxmox://node/pve2')).toMatchObject({ nodes: [{ node: 'pve2' }], storages: expect.any(Array) });
    const { storages } = await at('proxmox://storage/local');
    expect(storages.map(({ storage, node }: { storage: string; node: string }) => [storage, node])).toEqual([
      ['local', 'pve'],
      ['local', 'pve2'],
    ]);
    expect(await at(`proxmox://approvals/${id}`)).toMatchObject({ approval_id: id, status: 'pending' });
    expect((await at('proxmox://approvals')).approvals).toHaveLength(1);
  });

  it('read a run by its id and a task by its UPID, percent-encoded or not', async () => {
    await world.done('start_vm', { vmid: 104 });
    const [run] = (await at('proxmox://tasks')).runs;
    expect(await at(`proxmox://task/${run.run_id}`)).toMatchObject({ run_id: run.run_id, status: 'succeeded' });
    const [task] = ((await world.done('get_task', { guest: '104' }, {}, agent)) as { tasks: { upid: string }[] }).tasks;
    for (const upid of [String(task?.upid), encodeURIComponent(String(task?.upid))])
      expect(await at(`proxmox://task/${upid}`)).toMatchObject({ upid: task?.upid, status: 'stopped' });
  });

  it.each(['guest/999', 'guest/0x65', 'node/..%2Faccess', 'node/none', 'storage/none', 'approvals/apr_0', 'task/run_0', 'task/105'])(
    '%s is not found',
    async (address) => {
      await expect(client.readResource({ uri: `proxmox://${address}` })).rejects.toMatchObject({ code: -32602 });
    },
  );
});

describe('completion', () => {
  it('finds a VMID by its digits or by the name, and nodes and storages by their beginning', async () => {
    expect(await suggested('guest', '10')).toContain('101');
    const web1 = ((await world.done('get_vm', { name: 'web1' })) as { vmid: number }).vmid;
    expect(await suggested('guest', 'web1')).toEqual([String(web1)]);
    expect(await suggested('node', 'pve2')).toEqual(['pve2']);
    expect(await suggested('storage', 'lo')).toEqual(['local', 'local-lvm']);
  });

  it('asks Proxmox once for several keystrokes', async () => {
    for (const typed of ['', '1', '10', '101']) await suggested('guest', typed);
    expect(world.cluster.requests).toHaveLength(1);
  });

  it('fills the parameters of prompts', async () => {
    const values = async (name: string, argument: string, value: string) =>
      (await client.complete({ ref: { type: 'ref/prompt', name }, argument: { name: argument, value } })).completion.values;
    expect(await values('investigate_guest', 'guest', 'web')).toContain('web1');
    expect(await values('plan_evacuation', 'node', '')).toEqual(['pve', 'pve2']);
    expect(await values('provision_vm', 'image', 'debian')).toContain('local:import/debian-12-genericcloud-amd64.qcow2');
  });
});

describe('the skill', () => {
  it('is listed with its digest and read as Markdown', async () => {
    const { contents } = await client.readResource({ uri: 'skill://proxmox-mcp/SKILL.md' });
    expect(contents[0]).toMatchObject({ mimeType: 'text/markdown', text: expect.stringContaining('name: proxmox-mcp') });
    const listed = await client.request({ method: 'skills/list', params: {} }, z.looseObject({ skills: z.array(z.looseObject({})) }));
    const { skill } = await client.request(
      { method: 'skills/get', params: { uri: 'skill://proxmox-mcp/SKILL.md' } },
      z.looseObject({ skill: z.looseObject({}) }),
    );
    expect(listed.skills).toEqual([skill]);
    expect(listed.skills).toEqual([expect.objectContaining({ uri: 'skill://proxmox-mcp/SKILL.md' })]);
    expect(client.getServerCapabilities()?.extensions).toHaveProperty(['io.modelcontextprotocol/skills']);
  });
});
