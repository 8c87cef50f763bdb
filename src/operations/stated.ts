import type { Plan } from '../core/plan/plan.ts';
import type { ChangeOperation } from './define.ts';

/** The name of a parameter of which the value decides over rights too: `ide2=local:iso/x.iso,media=cdrom`. */
export const nameOf = (stated: string): string => stated.split('=')[0] ?? '';

/**
 * Requests of a plan that its operation does not state: by method and path, or by a parameter. Roles, `doctor` and the documentation follow from
 * what is stated, so nothing else may be sent.
 */
export function unstated(
  { sends, maySend = {}, anyBut }: Pick<ChangeOperation, 'sends' | 'maySend' | 'anyBut'>,
  { steps }: Pick<Plan, 'steps'>,
): string[] {
  if (anyBut) return excepted(anyBut, steps);
  const stated = [...Object.entries(sends), ...Object.entries(maySend)].map(([name, params]) => ({
    path: pathOf(name),
    params: (params ?? []).map(nameOf),
  }));
  return steps.flatMap((step) => {
    if (step.kind !== 'request') return [];
    const line = `${step.method} ${step.path}`;
    const found = stated.filter(({ path }) => path.test(line));
    if (found.length === 0) return [line];
    const more = Object.keys(step.params).filter((name) => !found.some(({ params }) => params.includes(name)));
    return more.map((name) => `${name} of ${line}`);
  });
}

/** Requests that an operation for any other method may not send. */
function excepted(anyBut: NonNullable<ChangeOperation['anyBut']>, steps: Plan['steps']): string[] {
  const never = Object.entries(anyBut).map(([name, params]) => ({ path: pathOf(name), params }));
  return steps.flatMap((step) => {
    if (step.kind !== 'request') return [];
    const line = `${step.method} ${step.path}`;
    return never
      .filter(({ path }) => path.test(line))
      .flatMap(({ params }) =>
        params.length === 0
          ? [line]
          : Object.keys(step.params).flatMap((name) => (params.some((one) => isSameOption(one, name)) ? [`${name} of ${line}`] : [])),
      );
  });
}

/** `net0` is `net[n]`. */
export function isSameOption(a: string, b: string): boolean {
  const general = (name: string) => name.replace(/\d+$/, '[n]');
  return general(a) === general(b);
}

function pathOf(template: string): RegExp {
  return new RegExp(`^${template.replaceAll(/[.*+?^$()|[\]\\]/g, '\\$&').replaceAll(/\{[^}]+\}/g, '[^/]+')}$`);
}
