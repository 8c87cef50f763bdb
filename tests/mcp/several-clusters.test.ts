import { encode } from 'gpt-tokenizer/encoding/o200k_base';
import { describe, expect, it } from 'vitest';
import { instructions } from '../../src/mcp/instructions.ts';
import { withCluster } from '../../src/mcp/several-clusters.ts';
import { offeredTool } from '../../src/mcp/tools.ts';
import { operations } from '../../src/operations/index.ts';
import { connect, ERAS, face } from '../helpers/answering-engine.ts';

const shared = { readOnly: false, toolsets: ['everyday'], demo: false, waitSeconds: 45 } as const;
const clusters = ['home', 'work'].map((name) => ({ name })) as never;
const done = () => ({ kind: 'done', output: {} }) as const;

describe.each(ERAS)('the tools of several clusters (%s)', (era) => {
  const toolsOf = async (settings: object) => {
    const client = await connect(face(done, { settings: { ...shared, ...settings } }), era);
    return (await client.listTools()).tools;
  };

  it('take the name of a cluster, except those that decide about an approval by its id', async () => {
    const tools = await toolsOf({ clusters });
    const taking = tools.filter(({ inputSchema }) => 'cluster' in (inputSchema.properties ?? {})).map(({ name }) => name);
    expect(taking.sort()).toEqual(['create_vm', 'delete_vm', 'get_vm', 'list_approvals', 'list_vms', 'start_vm', 'stop_vm']);
  });

  it('are unchanged where there is only one, named or not', async () => {
    const plain = await toolsOf({});
    expect(JSON.stringify(plain)).not.toContain('cluster');
    expect(await toolsOf({ clusters: [{ name: 'home' }] })).toEqual(plain);
  });

  it('are called with it as the agent gives it', async () => {
    const served = face(done, { settings: { ...shared, clusters } });
    const client = await connect(served, era);
    await client.callTool({ name: 'stop_vm', arguments: { cluster: 'work', vmid: 105, dry_run: true } });
    expect(served.calls).toMatchObject([{ args: { cluster: 'work', vmid: 105 }, options: { dryRun: true } }]);
  });
});

describe('what several clusters cost an agent', () => {
  it('is at most 3 tokens (o200k) a tool', () => {
    const tokens = ({ tool: { name, description, inputSchema } }: ReturnType<typeof offeredTool>) =>
      encode(JSON.stringify({ name, description, input_schema: inputSchema })).length;
    for (const tool of operations.map(offeredTool)) expect(tokens(withCluster(tool)) - tokens(tool)).toBeLessThanOrEqual(3);
  });

  it('is nothing where a tool reads nothing of a cluster', () => {
    const search = operations.map(offeredTool).find(({ name }) => name === 'api_search');
    if (!search) throw new Error('api_search is not offered');
    expect(withCluster(search)).toBe(search);
  });

  it('is one sentence of the rules, which names them', () => {
    const rules = instructions({ readOnly: false, demo: false, clusters: ['home', 'work'] });
    expect(rules.split('\n')[0]).toBe(
      'Runs virtual machines and containers on the Proxmox VE clusters home, work. Every change names its cluster; reads without cluster cover all.',
    );
    expect(instructions({ readOnly: false, demo: false, clusters: [] })).toContain('on a Proxmox VE cluster.');
  });
});
