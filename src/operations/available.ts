import type { Role } from '../core/people/caller.ts';
import type { Settings } from '../core/settings/settings.ts';
import type { Operation } from './define.ts';

/** The part of an operation that decides whether and to whom it is offered. */
export type Offered = Pick<Operation, 'name' | 'toolset' | 'effect'> & { decides?: boolean; releases?: true; ofNoCluster?: true };

/** Whether an operation neither changes the cluster nor decides anything: reads, and lists of approvals and tasks. */
export function changesNothing({ effect, decides }: Offered): boolean {
  return effect === 'read' || (effect === 'control' && !decides);
}

/** The only tool that releases a pending destructive plan. */
export function releases(operation: Offered): boolean {
  return operation.effect === 'control' && operation.releases === true;
}

/** Whether an operation exists for callers of this role. No role may approve over MCP; approvers use the console. */
export function roleAllows(role: Role | undefined, operation: Offered): boolean {
  if (role === undefined || role === 'operator') return true;
  return changesNothing(operation);
}

/**
 * The operations of the chosen toolsets. In read-only mode only those that change and decide nothing. Control operations are included whenever
 * an operation can change something, because an approval without `approve` would be a dead end.
 */
export function availableIn<T extends Offered>(
  operations: readonly T[],
  { readOnly, toolsets }: Pick<Settings, 'readOnly' | 'toolsets'>,
): T[] {
  const chosen = operations.filter(({ toolset }) => toolsets.includes(toolset));
  const changes = chosen.some((operation) => operation.effect !== 'read' && operation.effect !== 'control');
  const control = operations.filter(({ effect }) => effect === 'control' && changes);
  return operations.filter(
    (operation) => (chosen.includes(operation) || control.includes(operation)) && (!readOnly || changesNothing(operation)),
  );
}
