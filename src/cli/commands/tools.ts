import { needsApproval } from '../../core/plan/effect.ts';
import { inputOf } from '../../operations/by-name.ts';
import type { Operation } from '../../operations/define.ts';
import { operations } from '../../operations/index.ts';
import { type Exit, isForPeople, print, printRows } from '../terminal/output.ts';

/** `tools`: every operation, what it can do and whether a human must agree. */
export async function tools(): Promise<Exit> {
  const rows = operations.map((operation) => ({
    name: operation.name,
    effect: operation.effect,
    toolset: operation.toolset,
    approval: approvalOf(operation),
    parameters: parametersOf(operation),
    description: operation.description,
  }));
  const cells = rows.map((row) => [
    row.name,
    row.toolset,
    row.approval === 'yes' ? `${row.effect}, asks first` : row.effect,
    row.parameters.join(' '),
    row.description,
  ]);
  await printRows(rows, ['operation', 'toolset', 'effect', 'parameters', 'what it does'], cells);
  if (isForPeople()) print("\nRun one: proxmox-mcp call <operation> --args '<json>' [--dry-run] [--demo]");
  return 0;
}

function approvalOf(operation: Operation): 'no' | 'yes' | 'when it interrupts or destroys' {
  if (operation.effect === 'read' || operation.effect === 'control') return 'no';
  return needsApproval(operation.effect) ? 'yes' : 'when it interrupts or destroys';
}

/** The parameters, required ones first and without a question mark. */
function parametersOf(operation: Operation): string[] {
  const isOptional = (name: string) => name.endsWith('?');
  return Object.entries(inputOf(operation).shape)
    .map(([name, type]) => (type.safeParse(undefined).success ? `${name}?` : name))
    .sort((a, b) => Number(isOptional(a)) - Number(isOptional(b)));
}
