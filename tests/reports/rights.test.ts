import { describe, expect, test } from 'vitest';
import type { Settings } from '../../src/core/settings/settings.ts';
import { SEED_TOKENS } from '../../src/simulator/seed/tokens.ts';
import { withEngine } from '../helpers/with-engine.ts';
import { agent } from '../helpers/world.ts';

const world = withEngine();
const as = (token: { id: string; secret: string }) => {
  const engine = world().another({ connection: world().cluster.connection(token) } as Partial<Settings>);
  return (operation: string, args: object) => engine.perform(operation, args, agent, { wait: 'end' });
};

test('adminsyspro/proxcenter-ui#9, Telmate/terraform-provider-proxmox#687, bpg/terraform-provider-proxmox#1451: a token without a privilege reads which one, where, and the line that grants it', async () => {
  const call = as(SEED_TOKENS.readOnly);
  const error = await world().refused(call('start_vm', { vmid: 104 }));
  expect(error.code).toBe('permission_denied');
  expect(`${error.message} ${error.hint}`).toContain('VM.PowerMgmt');
  expect(`${error.message} ${error.hint}`).toContain('pveum');
});

test('linuxserver/Heimdall-Apps#814: a token that sees nothing gets that as the reason, instead of an empty cluster', async () => {
  const result = await as(SEED_TOKENS.noAcl)('list_vms', {});
  if (result.kind !== 'done') throw new Error(result.kind);
  expect(result.output.vms).toEqual([]);
  expect(result.output.notice).toContain('pveum acl modify');
});

test('Telmate/terraform-provider-proxmox#1365, NX211/traefik-proxmox-provider#28: VM.Monitor is gone in 9, and the answer has both names', async () => {
  const reason = 'Permission check failed (/vms/100, VM.GuestAgent.Audit)';
  world().cluster.simulator.faults.add({ match: { path: '/agent/network-get-interfaces' }, action: 'status', status: 403, reason });
  const { ip_note } = await world().done('get_vm', { vmid: 100 });
  expect(ip_note).toContain('VM.GuestAgent.Audit');
  expect(ip_note).toContain('VM.Monitor');
});

describe('community.general#2931, RekklesNA/ProxmoxMCP-Plus#21, community.proxmox#463: a node is down (595)', () => {
  test.each(['get_vm', 'start_vm', 'stop_vm'])('%s of its guest names the node, not the settings of the endpoint', async (operation) => {
    world().cluster.simulator.faults.add({ action: 'node-down', node: 'pve2' });
    const error = await world().refused(world().call(operation, { vmid: 201 }));
    expect(error.message).toContain('Node pve2 does not answer');
    expect(`${error.message} ${error.hint}`).not.toContain('PROXMOX_HOST');
  });
  test('lists continue', async () => {
    world().cluster.simulator.faults.add({ action: 'node-down', node: 'pve2' });
    expect((await world().done('list_vms', {})).total).toBeGreaterThan(5);
  });
});
