import type { JsonObject } from '../../core/text/json.ts';
import { type Agent, check, PUBLIC_KEY, say } from './stage.ts';

const NODES = ['node1', 'node2', 'node3'];
const ADDRESSES = ['10.77.0.51', '10.77.0.52', '10.77.0.53'];
const JOB = ['id=backup-nightly', 'schedule=03:30'];

/** The everyday work of an operator. It goes on with the VM `shop-web` of the first act. */
export async function secondAct(agent: Agent): Promise<void> {
  say('Why is web2 slow?', 'The figures of an hour, and what they say.');
  const { findings } = await agent('get_metrics', { name: 'web2', period: 'hour' });
  check(String(findings).includes('CPU is at its limit'), 'the metrics name the CPU');

  say('A snapshot before an upgrade');
  await agent('snapshot_vm', { name: 'shop-web', snapshot: 'before-upgrade' });
  say('The upgrade went wrong: the user wants to go back', 'The question says how much time is lost. The user says yes.');
  const back = await agent('rollback_snapshot', { name: 'shop-web', snapshot: 'before-upgrade', start: true });
  check((await approved(agent, back)).snapshot === 'before-upgrade', 'it is back at the snapshot');

  say('A backup, and the same again beside it', 'The copy has its own VMID and MAC addresses, and stays stopped.');
  const { backups } = (await agent('backup_vm', { name: 'shop-web', storage: 'nas' })) as { backups: JsonObject[] };
  const restored = await agent('restore_backup', { volume: backups[0]?.volume ?? '' });
  check(restored.created === true && restored.status === 'stopped', 'the backup is restored as a new guest');

  say('A container');
  const container = { name: 'shop-cache', storage: 'local-lvm', ip: '10.77.0.60/24', gateway: '10.77.0.1', ssh_keys: PUBLIC_KEY };
  check((await agent('create_container', container)).created === true, 'the container is created');

  say('A second network card', 'monitor runs on, and the answer has the new MAC address.');
  const { applied } = await agent('update_vm', { name: 'monitor', nics: [{ bridge: 'vmbr1', vlan: 42 }] });
  check(String(applied).includes('MAC '), 'the NIC has a MAC address');

  say('A move to the other node', 'web1 runs on while its disk is copied.');
  check((await agent('migrate_vm', { name: 'web1', target_node: 'pve2' })).move === 'live', 'web1 moved live');

  say('Three clones of a template, each up to its address', 'One call, one plan, and an outcome for each.');
  const { guests } = (await agent('clone_template', {
    source_name: 'debian-12-template',
    names: NODES,
    ips: ADDRESSES.map((address) => `${address}/24`),
    cloud_init: { user: 'deploy', sshkeys: PUBLIC_KEY, ipconfig0: 'gw=10.77.0.1' },
    wait_for: 'ip',
  })) as { guests: { ip_addresses?: string[] }[] };
  check(String(guests.map((guest) => guest.ip_addresses?.[0])) === String(ADDRESSES), 'all three answer with their addresses');

  say(
    'No tool is made for it: the nightly backup shall begin at 3:30',
    'All other methods of the API take the same path. The user says yes.',
  );
  await approved(agent, await agent('api_change', { method: 'PUT /cluster/backup/{id}', params: JOB }));
  const { answer } = await agent('api_read', { method: 'GET /cluster/backup/{id}', params: JOB.slice(0, 1) });
  check(String(answer).includes('03:30'), 'the backup job has its new time');
}

/** The user's yes. @returns the result */
async function approved(agent: Agent, asked: JsonObject): Promise<JsonObject> {
  check(asked.approval_required === true, 'an approval is required');
  const { status, result } = await agent('approve', { approval_id: asked.approval_id ?? '' });
  check(status === 'succeeded', 'the approved plan is executed');
  return (result ?? {}) as JsonObject;
}
