import { present } from '../../../core/defined.ts';
import { fail } from '../../../core/errors/errors.ts';
import type { Plan, ResourceDemand } from '../../../core/plan/plan.ts';
import type { OperationContext } from '../../define.ts';
import { refuseUnusablePool } from './choose/pool.ts';
import type { Asked } from './differences.ts';

interface NewGuest {
  vmid: number;
  pool: string | undefined;
  /** Choices that were made for the caller. */
  choices: string[];
  demand(after: ResourceDemand['after']): ResourceDemand;
  /** The parts of its plan that name its removal. */
  wayBack: Pick<Plan, 'undo' | 'cleanup'>;
}

/** @throws conflict while another call makes a guest of this name that Proxmox does not show yet; not_possible for the pool */
export async function newGuest(
  { api, reservedVmid, defaults }: OperationContext,
  asked: Pick<Asked, 'name' | 'vmid' | 'pool'>,
): Promise<NewGuest> {
  const vmid = asked.vmid ?? reservedVmid;
  if (vmid === undefined) {
    fail('conflict', `Another call is creating ${asked.name ?? 'this guest'} right now.`, { hint: 'Call again in a few seconds.' });
  }
  const pool = asked.pool ?? defaults.pool;
  await refuseUnusablePool(api, pool);
  const removal = `delete_vm {"vmid": ${vmid}}`;
  return {
    vmid,
    pool,
    choices: present(
      asked.vmid === undefined && `vmid: ${vmid} (free)`,
      asked.pool === undefined && pool !== undefined && `pool: ${pool} (PROXMOX_POOL)`,
    ),
    demand: (after) => ({ newGuests: 1, vmid, before: { cpu: 0, memoryMib: 0, diskGib: 0 }, after }),
    wayBack: { undo: removal, cleanup: removal },
  };
}
