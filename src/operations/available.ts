import type { Settings } from '../core/settings.ts';
import type { Operation } from './define.ts';

/** Reads, and lists of approvals and tasks: neither the cluster nor a decision is touched. */
export function changesNothing(operation: Operation): boolean {
  return operation.effect === 'read' || (operation.effect === 'control' && !operation.decides);
}

/**
 * The operations that exist for callers: those of the chosen toolsets, in read-only mode only those that change and decide nothing. Control
 * operations are there whenever another operation that changes is: an approval without `approve` would be a dead end.
 */
export function availableIn(
  operations: readonly Operation[],
  { readOnly, toolsets }: Pick<Settings, 'readOnly' | 'toolsets'>,
): Operation[] {
  const chosen = operations.filter(({ toolset }) => toolsets.includes(toolset));
  const changes = chosen.some((operation) => operation.effect !== 'read' && operation.effect !== 'control');
  const control = operations.filter(({ effect }) => effect === 'control' && changes);
  return operations.filter(
    (operation) => (chosen.includes(operation) || control.includes(operation)) && (!readOnly || changesNothing(operation)),
  );
}
