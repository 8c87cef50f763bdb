import { afterEach, beforeEach, expect, test } from 'vitest';
import { gatewayError } from '../../../src/proxmox/transport/gateway.ts';
import { openWorld, type World } from '../../helpers/world.ts';

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.close());

test.each([
  ['get_vm', { vmid: 201 }],
  ['start_vm', { vmid: 201 }],
  ['stop_vm', { vmid: 201 }],
])('a node that is down is named by %s, not the settings of the endpoint that answers', async (operation, args) => {
  const { faults } = world.cluster.simulator;
  faults.add({ action: 'node-down', node: 'pve2' });
  const error = await world.refused(world.call(operation, args));
  expect(error.code).toBe('unreachable');
  expect(error.message).toMatch(/^Node pve2 does not answer \(127\.0\.0\.1:\d+ does\): 595 No route to host\. Nothing was changed\./);
  expect(error.message).toContain('Of pve2, the cluster says it is online.');
  expect(error.hint).not.toContain('PROXMOX_HOST');
  expect(error.hint).toContain('pve2');
});

test.each([
  ['595 Connection refused', 'systemctl restart pvedaemon pveproxy'],
  ['595 No route to host', 'pvecm status'],
  ['596 tls_process_server_certificate: certificate verify failed', 'pvecm updatecerts'],
  ['596 Connection timed out', 'systemctl status pvedaemon'],
])('"%s" leads the operator to its cause', (reason, line) => {
  expect(gatewayError(reason, 'pve2', 'pve:8006', '').hint).toContain(line);
});

test('a gateway answer for the whole cluster names the service behind the endpoint', async () => {
  world.cluster.simulator.faults.add({
    match: { path: '^/cluster/resources' },
    action: 'status',
    status: 596,
    reason: 'Broken pipe',
    times: 9,
  });
  const error = await world.refused(world.call('list_vms', {}));
  expect(error.message).toMatch(/^The service behind pveproxy on 127\.0\.0\.1:\d+ does not answer/);
  expect(error.hint).toContain('pvedaemon');
});
