import { setTimeout } from 'node:timers/promises';
import { type Answer, rowsOf, type Stage } from './stage.ts';

/** What the cluster offers to the stories. */
export interface Place {
  /** For disks. */
  storage: string;
  /** For backups; absent: no storage takes any. */
  backups?: string;
  /** Where the new guests are made. */
  node: string;
  /** Another node that is online. */
  otherNode?: string;
  containerTemplate?: string;
  /** A disk image to boot from. */
  image?: string;
}

/** What a story made, so that it can be cleaned up also after a failure. */
export interface Made {
  guests: Map<number, string>;
  volumes: Set<string>;
}

interface Story {
  name: string;
  /** Plays it. A step that the cluster cannot do is left out, with the reason. */
  play(stage: Stage, place: Place, made: Made, leaveOut: (tools: string, why: string) => void): Promise<void>;
}

async function keep(made: Made, prefix: string, answer: Answer): Promise<number> {
  const guests = answer.guests === undefined ? [answer] : rowsOf(answer.guests);
  // An existing guest of that name would be answered, too; it is not ours.
  for (const { vmid, name, created } of guests)
    if (created !== false && String(name ?? answer.name).startsWith(prefix)) made.guests.set(Number(vmid), String(name ?? answer.name));
  return Number(guests[0]?.vmid);
}

const MOST_LOOKS = 60;

/** Whether the agent of the guest tells its address within a minute. */
async function hasBooted({ ask }: Stage, vmid: number): Promise<boolean> {
  for (let looks = 0; looks < MOST_LOOKS; looks += 1) {
    const { ip_addresses: addresses = [] } = (await ask('get_vm', { vmid })) as { ip_addresses?: string[] };
    if (addresses.length > 0) return true;
    await setTimeout(1_000);
  }
  return false;
}

const light: Story = {
  name: 'light: looks, changes nothing',
  async play(stage, { storage }, _made, leaveOut) {
    const { call, prefix } = stage;
    await call('list_vms', { limit: 20 });
    const [guest] = await stage.rows('list_vms', { limit: 1, type: 'vm' });
    if (guest) {
      await call('get_vm', { vmid: guest.vmid, fields: ['snapshots', 'tasks', 'backups'] });
      await call('get_metrics', { vmid: guest.vmid, period: 'hour' });
    } else leaveOut('get_vm, get_metrics', 'the token sees no VM');
    await call('get_cluster');
    await call('list_snapshots');
    await call('list_backups', { coverage: true });
    await call('get_task', { status: 'failed' });
    await call('list_approvals');
    await call('api_search', { query: 'version' });
    await call('api_read', { method: 'GET /version' });
    await call('create_vm', { name: `${prefix}-plan`, disk_gb: 1, storage, dry_run: true });
  },
};

const medium: Story = {
  name: 'medium: one guest through its life',
  async play(stage, { storage, node }, made) {
    const { call, prefix } = stage;
    const vmid = await keep(made, prefix, await call('create_vm', { name: `${prefix}-one`, disk_gb: 1, memory: 512, storage, node }));
    const name = `${prefix}-one`;
    await call('set_resources', { vmid, cores: 1, memory: 256 });
    await call('update_vm', { vmid, notes: 'made by npm run test:live', add_tags: ['live-test'] });
    await call('update_vm', { vmid, disks: [{ disk: 'scsi0', size_gb: 2 }] });
    await call('update_firewall', { vmid, rules: [{ action: 'ACCEPT', proto: 'tcp', dport: '22' }] });
    await call('snapshot_vm', { vmid, snapshot: 'first' });
    const about = [`node=${node}`, `vmid=${vmid}`, 'snapname=first', 'description=made by npm run test:live'];
    await call('api_change', { method: 'PUT /nodes/{node}/qemu/{vmid}/snapshot/{snapname}/config', params: about });
    await call('start_vm', { vmid });
    const unwanted = await stage.ask('stop_vm', { vmid });
    await call('deny', { approval_id: unwanted.approval_id });
    await call('suspend_vm', { vmid });
    await call('resume_vm', { vmid });
    await call('reboot_vm', { vmid, force: true });
    await call('stop_vm', { vmid, force: true });
    await call('rollback_snapshot', { vmid, snapshot: 'first' });
    await call('delete_snapshot', { vmid, snapshot: 'first' });
    await call('delete_vm', { name });
    made.guests.delete(vmid);
  },
};

const heavy: Story = {
  name: 'heavy: several guests, copies, backups, another node',
  async play(stage, place, made, leaveOut) {
    const { call, prefix } = stage;
    const { storage, node, backups, otherNode, containerTemplate, image } = place;
    const names = ['a', 'b', 'c'].map((letter) => `${prefix}-${letter}`);
    const from = { memory: 512, storage, node, ...(image === undefined ? { disk_gb: 1 } : { image }) };
    const vmid = await keep(made, prefix, await call('create_vm', { names, ...from }));
    await call('start_vm', { names });
    if (image === undefined) leaveOut('run_in_guest', 'there is no disk image to boot from');
    else if (await hasBooted(stage, vmid)) await call('run_in_guest', { vmid, argv: ['uname', '-a'] });
    else leaveOut('run_in_guest', 'no guest agent answers in the image');
    await call('stop_vm', { names, force: true });
    if (backups === undefined) leaveOut('backup_vm, restore_backup, delete_volume', 'no storage takes backups');
    else {
      const [taken] = rowsOf((await call('backup_vm', { vmid, storage: backups })).backups);
      const volume = String(taken?.volume);
      made.volumes.add(volume);
      await keep(made, prefix, await call('restore_backup', { volume, storage, pool: stage.pool }));
      await call('delete_volume', { volume });
      made.volumes.delete(volume);
    }
    if (otherNode === undefined) leaveOut('migrate_vm', 'there is one node');
    else await stage.attempt('migrate_vm', { vmid, target_node: otherNode, storage });
    if (containerTemplate === undefined) leaveOut('create_container', 'there is no container template');
    else
      await keep(
        made,
        prefix,
        await call('create_container', { name: `${prefix}-ct`, template: containerTemplate, disk_gb: 1, storage, node }),
      );
    const [, , last = ''] = names;
    await call('convert_to_template', { name: last });
    await keep(made, prefix, await call('clone_template', { source_name: last, name: `${prefix}-copy` }));
    const asked = await call('delete_vm', { name: `${prefix}-copy`, dry_run: true });
    if (asked.plan === undefined) throw new Error('delete_vm showed no plan');
  },
};

export const stories: Story[] = [light, medium, heavy];

/** Deletes what the stories made: guests with their own name and number in the pool, clones before what they were made of. */
export async function cleanUp(stage: Stage, made: Made): Promise<string[]> {
  const left: string[] = [];
  const trying = async (what: string, work: () => Promise<unknown>) => {
    await work().catch((error: Error) => left.push(`${what}: ${error.message}`));
  };
  const rows = await stage.rows('list_vms', { pool: stage.pool, name: stage.prefix, limit: 500, columns: ['template'] });
  const own = rows.filter(({ vmid, name }) => made.guests.has(Number(vmid)) && String(name).startsWith(stage.prefix));
  for (const { vmid, name } of rows.filter((row) => !own.includes(row)))
    left.push(`${name} (${vmid}): this run has no record of making it`);
  const running = own.filter(({ status }) => status !== 'stopped').map(({ vmid }) => vmid);
  if (running.length > 0)
    await trying(`running guests ${running.join(', ')}`, () => stage.call('stop_vm', { vmids: running, force: true }));
  own.sort((a, b) => Number(a.template === true) - Number(b.template === true) || Number(b.vmid) - Number(a.vmid));
  for (const { vmid, name } of own) await trying(`${name} (${vmid})`, () => stage.call('delete_vm', { vmid }));
  for (const volume of made.volumes) await trying(volume, () => stage.call('delete_volume', { volume }));
  return left;
}
