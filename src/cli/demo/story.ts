import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import pkg from '../../../package.json' with { type: 'json' };
import type { JsonObject } from '../../core/text/json.ts';
import { entryFile } from '../commands/client-config.ts';
import { print } from '../terminal/output.ts';
import { secondAct } from './second-act.ts';
import { type Agent, agentOn, bold, check, PUBLIC_KEY, say } from './stage.ts';

/**
 * Runs the real server in its own process, with a real MCP client over stdio, through the calls of an agent and its user.
 * Throws when a step ends differently.
 * @param folder holds everything that this run stores
 */
export async function tell(folder: string): Promise<void> {
  // Nothing of the user's own settings may reach the story.
  const own = { HOME: folder, XDG_CONFIG_HOME: folder, PROXMOX_DATA_DIR: folder, PROXMOX_TOOLSETS: 'everyday,api' };
  const env = { PATH: process.env.PATH ?? '', ...own, ...(isOnTwo() ? { PROXMOX_DEMO_CLUSTERS: '2' } : {}) };
  const transport = new StdioClientTransport({ command: process.execPath, args: [entryFile(), 'stdio', '--demo'], env, stderr: 'inherit' });
  const client = new Client({ name: 'demo-agent', version: pkg.version });
  await client.connect(transport);
  const agent = agentOn(client);
  try {
    if (isOnTwo()) await onTwoClusters(agent);
    else {
      await firstAct(agent);
      await secondAct(agent);
    }
  } finally {
    await client.close();
  }
  say('Everything above is on record', 'Another process verifies the chain of the audit. The records of this story are then removed.');
  const { stdout } = await promisify(execFile)(process.execPath, [entryFile(), 'audit', 'verify', '--demo'], { env });
  const verified = JSON.parse(stdout) as { ok: boolean; count: number };
  check(verified.ok && verified.count > 5, 'the audit verifies');
  print(`  ${verified.count} records, none changed.`);
  print(bold('\nThat was the whole story, on the embedded cluster. Run `proxmox-mcp doctor` for a real one.'));
}

/** The one setting that the story takes from its user. */
function isOnTwo(): boolean {
  return process.env.PROXMOX_DEMO_CLUSTERS === '2';
}

/** With `PROXMOX_DEMO_CLUSTERS=2`: two clusters that share names and VMIDs, and are never mistaken for each other. */
async function onTwoClusters(agent: Agent): Promise<void> {
  say('What is there?', 'Two clusters, asked side by side. Each row names its own.');
  const { columns, rows } = (await agent('list_vms', { name: 'web' })) as { columns: string[]; rows: unknown[][] };
  check(columns[0] === 'cluster' && new Set(rows.map(([cluster]) => cluster)).size === 2, 'both clusters are listed');

  say('One name on both', 'The candidates are listed, and none is guessed.');
  await agent('get_vm', { name: 'web1' }, 'ambiguous');

  say('A change names its cluster', 'Without it nothing is sent.');
  await agent('stop_vm', { vmid: 100 }, 'invalid_arguments');
  const stop = await agent('stop_vm', { cluster: 'work', vmid: 100 });
  check(stop.approval_required === true, 'an approval is required');

  say('The yes counts on that cluster alone');
  await agent('approve', { cluster: 'home', approval_id: stop.approval_id ?? '' }, 'approval_mismatch');
  await agent('approve', { approval_id: stop.approval_id ?? '' });
  check((await agent('get_vm', { cluster: 'work', vmid: 100 })).status === 'stopped', 'it is stopped there');
  check((await agent('get_vm', { cluster: 'home', vmid: 100 })).status === 'running', 'the one of the same number runs on');
}

/** Plans, limits, and what needs a human's yes. */
async function firstAct(agent: Agent): Promise<void> {
  say('What is there?', 'One request to Proxmox, however many guests there are.');
  const { columns, rows } = (await agent('list_vms', { columns: ['type', 'template'] })) as { columns: string[]; rows: unknown[][] };
  const cell = (row: unknown[], column: string) => row[columns.indexOf(column)];
  const template = rows.find((row) => cell(row, 'template') === true && cell(row, 'type') === 'vm') ?? [];
  const source = Number(cell(template, 'vmid'));
  check(source > 0, 'there is a template');

  say('A new VM, first only as a plan', 'Nothing is sent. These are the exact requests.');
  const wanted: JsonObject = {
    name: 'shop-web',
    cores: 2,
    memory: 2048,
    disk_gb: 20,
    storage: 'local-lvm',
    image: 'local:import/debian-12-genericcloud-amd64.qcow2',
    cloud_init: { user: 'deploy', sshkeys: PUBLIC_KEY, ipconfig0: 'ip=dhcp' },
    start_on_create: true,
  };
  check((await agent('create_vm', { ...wanted, dry_run: true })).dry_run === true, 'a dry-run answers with the plan');

  say('Now really', 'With cloud-init, from a cloud image, and started.');
  const created = await agent('create_vm', wanted);
  check(created.created === true, 'it was created');

  say('The agent forgot, and asks again', 'The same name is the same VM. Nothing is created twice.');
  const again = await agent('create_vm', wanted);
  check(again.created === false && again.vmid === created.vmid, 'the existing VM is returned');

  say('Too much', "The operator's limits hold, and the refusal names the limit.");
  await agent('create_vm', { name: 'big', memory: 65_536, storage: 'local-lvm' }, 'quota_exceeded');

  say('A clone of a template', `${cell(template, 'name')} is ${source}.`);
  const clone = await agent('clone_template', { source_vmid: source, name: 'shop-db' });
  check(typeof clone.vmid === 'number', 'the clone has a VMID');
  const vmid = clone.vmid as number;

  say('More memory and cores for it', 'Only what differs is changed.');
  await agent('set_resources', { vmid, cores: 4, memory: 4096 });
  await agent('start_vm', { vmid });

  say('Stopping interrupts users, so a human must approve', 'The agent gets a plan and an id, and must ask its user.');
  const stop = await agent('stop_vm', { vmid, reason: 'maintenance window' });
  check(stop.approval_required === true, 'an approval is required');
  say('The user says yes', 'Exactly the plan that was shown is sent, once.');
  await agent('approve', { approval_id: stop.approval_id ?? '' });
  check((await agent('get_vm', { vmid })).status === 'stopped', 'it is stopped');
  const repeated = await agent('approve', { approval_id: stop.approval_id ?? '' });
  check(repeated.status === 'succeeded', 'the same approval again answers with the outcome, and sends nothing');

  say('Deleting destroys: the user says no', 'A denied approval is over.');
  const first = await agent('delete_vm', { vmid });
  await agent('deny', { approval_id: first.approval_id ?? '', reason: 'not that one' });
  await agent('approve', { approval_id: first.approval_id ?? '' }, 'approval_denied');

  say('The user asks for it after all, and says yes');
  const second = await agent('delete_vm', { vmid });
  check(second.approval_id !== first.approval_id, 'a new approval is required');
  await agent('approve', { approval_id: second.approval_id ?? '' });
  await agent('get_vm', { vmid }, 'guest_not_found');
}
