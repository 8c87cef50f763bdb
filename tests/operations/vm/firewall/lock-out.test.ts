import { afterEach, expect, it } from 'vitest';
import type { Filter } from '../../../../src/operations/vm/firewall/decision.ts';
import { refuseLockOut } from '../../../../src/operations/vm/firewall/lock-out.ts';
import { readTarget } from '../../../../src/operations/vm/lib/target.ts';
import { networksOf } from '../../../../src/proxmox/guest/disks.ts';
import { openWorld, type World } from '../../../helpers/world.ts';

let world: World;
afterEach(() => world.close());

it('a guest in which this server runs keeps its way out to the API', async () => {
  world = await openWorld();
  const api = world.cluster.open();
  const target = await readTarget(api, 100);
  const mac = String(networksOf('qemu', target.guest.config)[0]?.mac).toLowerCase();
  const ctx = { api, endpoints: [{ host: '127.0.0.1', port: 8006 }] } as unknown as Parameters<typeof refuseLockOut>[0];
  const before: Filter = { options: { enable: '1', policy_in: 'DROP', policy_out: 'ACCEPT' }, rules: [] };
  const refused = (options: Filter['options'], macs: string[], rules: Filter['rules'] = []) =>
    refuseLockOut(ctx, target, { before, after: { options: { ...before.options, ...options }, rules } }, macs).then(
      (warnings) => (warnings.length === 0 ? 'allowed' : warnings.join()),
      (error: Error) => error.message,
    );
  expect(await refused({ policy_out: 'DROP' }, [mac])).toBe(
    'This could cut this server off from the API: web1 (100) is where this server runs.',
  );
  expect(await refused({ policy_out: 'DROP' }, ['bc:24:11:ff:ff:ff'])).toBe('allowed');
  expect(await refused({ policy_in: 'REJECT' }, [mac])).toBe('allowed');
  const https = { type: 'out', action: 'ACCEPT', proto: 'tcp', dport: '8006', enable: '1' };
  expect(await refused({ policy_out: 'DROP' }, [mac], [https])).toBe('allowed');
});
