import { inputOf } from '../../src/operations/by-name.ts';
import type { Operation } from '../../src/operations/define.ts';
import { operations } from '../../src/operations/index.ts';
import { cell, rows } from './markdown.ts';

/** The tools for people, in README.md. */
export function readmeTable(): string {
  return rows(
    ['Tool', 'What it does', 'Toolset', 'Runs'],
    operations.map((operation) => [`\`${operation.name}\``, cell(operation.description), operation.toolset, runs(operation)]),
  );
}

/** The operations for agents with a shell, in docs/SKILL.md. */
export function skillTable(): string {
  return rows(
    ['operation', 'needs', 'may take', 'runs'],
    operations.map((operation) => {
      const { needs, may } = parametersOf(operation);
      return [`\`${operation.name}\``, needs, may.length === 0 ? '' : `\`${may.join(' ')}\``, runs(operation)];
    }),
  );
}

function runs({ effect }: Operation): string {
  if (effect === 'disrupt' || effect === 'destroy') return 'after an approval';
  return effect === 'change' ? 'at once, unless the plan interrupts or destroys' : 'at once';
}

/** A guest is named by either of two parameters, which the schema calls optional. */
function parametersOf(operation: Operation): { needs: string; may: string[] } {
  const { shape } = operation.input;
  const isOptional = (name: string) => shape[name]?.safeParse(undefined).success ?? true;
  const byName = Object.entries(operation.byName ?? {});
  const either = byName.filter(([vmid]) => !isOptional(vmid)).map(([vmid, name]) => `\`${vmid}\` or \`${name}\``);
  const needed = Object.keys(shape).filter((name) => !isOptional(name) && !byName.some(([vmid]) => vmid === name));
  const may = Object.keys(inputOf(operation).shape).filter(
    (name) => !needed.includes(name) && !either.some((text) => text.includes(`\`${name}\``)),
  );
  return { needs: [...either, ...needed.map((name) => `\`${name}\``)].join(', '), may };
}
