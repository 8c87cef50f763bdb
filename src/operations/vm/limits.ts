import { fail } from '../../core/errors.ts';
import type { NodeRow } from '../../proxmox/nodes.ts';

/** @throws not_possible: a guest with more vCPUs than its node has CPUs does not start (Proxmox accepts the configuration) */
export function refuseTooManyCpus(cpu: number | undefined, node: NodeRow | undefined): void {
  if (cpu === undefined || node?.cpus === undefined || cpu <= node.cpus) return;
  fail(
    'not_possible',
    `${cpu} vCPUs (sockets × cores) are more than the ${node.cpus} CPUs of node ${node.node}, so the guest would not start.`,
    {
      hint: `Ask for at most ${node.cpus} vCPUs, or use another node.`,
      details: { requested: cpu, node_cpus: node.cpus },
    },
  );
}
