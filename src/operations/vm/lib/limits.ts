import { present } from '../../../core/defined.ts';
import type { ResourceDemand, Sizes } from '../../../core/plan/plan.ts';
import type { ProxmoxReader } from '../../../core/proxmox.ts';
import { type Excess, overPerGuest, refuseExcess } from '../../../core/settings/limits.ts';
import type { Guest } from '../../../proxmox/guest/guests.ts';
import { listNodes, type NodeRow } from '../../../proxmox/nodes.ts';
import type { OperationContext } from '../../define.ts';

/**
 * Checked before a storage is chosen: a request that is too large fails at once with all its limits.
 * @throws quota_exceeded, not_possible
 */
export async function refuseTooLarge(ctx: OperationContext, demand: ResourceDemand, node: NodeRow | undefined): Promise<void> {
  const found = [...overNode(demand.after.cpu, node), ...overPerGuest(demand, ctx.limits)];
  if (found.length > 0) refuseExcess([...found, ...(await ctx.overTotals(demand))]);
}

/** @throws not_possible: a guest with more vCPUs than its node has CPUs does not start (Proxmox accepts the configuration) */
export function refuseTooManyCpus(cpu: number | undefined, node: NodeRow | undefined): void {
  refuseExcess(overNode(cpu, node));
}

/** The resources of a guest before and after a change. @param cpu now, where it is known otherwise */
export function demandOf({ at, sizes }: Guest, after: Partial<Sizes>, cpu = sizes.cpu ?? 0): ResourceDemand {
  const before = { ...sizes, cpu };
  return { newGuests: 0, vmid: at.vmid, before, after: { ...before, ...after } };
}

const UNLIMITED =
  'the container may use all cores of its node, whose number this token cannot see (Sys.Audit shows it): it counts as 1 core';

/** The sizes of a guest on a node as an old configuration of it says. A container without a limit of cores uses all CPUs there. */
export async function sizesOn(api: ProxmoxReader, { cpu, memoryMib, diskGib }: Guest['sizes'], node: string) {
  const cpus = cpu ?? (await listNodes(api)).find((one) => one.node === node)?.cpus;
  return { sizes: { cpu: cpus ?? 1, memoryMib, diskGib }, warnings: cpus === undefined ? [UNLIMITED] : [] };
}

/** Doubts about a guest of this memory on the node. Without Sys.Audit Proxmox shows neither CPUs nor memory of a node. */
export function nodeWarnings(node: NodeRow | undefined, memoryMib = 0): string[] {
  if (!node?.online) return [];
  return present(
    node.cpus === undefined &&
      `the token lacks Sys.Audit on /nodes/${node.node}, so nothing was checked against the CPUs and memory of the node`,
    node.memoryMib !== undefined &&
      memoryMib > node.memoryMib &&
      `${memoryMib} MiB are more than the ${node.memoryMib} MiB of node ${node.node}`,
  );
}

function overNode(cpu: number | undefined, node: NodeRow | undefined): Excess[] {
  if (cpu === undefined || node?.cpus === undefined || cpu <= node.cpus) return [];
  return [{ size: 'cpu', requested: cpu, limit: node.cpus, node: node.node }];
}
