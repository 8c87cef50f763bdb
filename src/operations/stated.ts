import type { Plan } from '../core/plan/plan.ts';
import type { ChangeOperation } from './define.ts';

/** The name in a stated parameter. One whose value decides about rights has it: `ide2=local:iso/x.iso,media=cdrom`. */
export const nameOf = (stated: string): string => stated.split('=')[0] ?? '';

/**
 * Requests and parameters of a plan that its operation does not state. Roles, `doctor` and the documentation follow from the statement, so the
 * engine sends nothing else.
 */
export function unstated(
  { sends, maySend = {}, anyBut }: Pick<ChangeOperation, 'sends' | 'maySend' | 'anyBut'>,
  { steps }: Pick<Plan, 'steps'>,
): string[] {
  const requests = steps.flatMap((step) =>
    step.kind === 'request' ? [{ line: `${step.method} ${step.path}`, names: Object.keys(step.params) }] : [],
  );
  if (anyBut) return excepted(anyBut, requests);
  const stated = methodsOf([...Object.entries(sends), ...Object.entries(maySend)]);
  return requests.flatMap(({ line, names }) => {
    const found = stated.filter(({ path }) => path.test(line));
    if (found.length === 0) return [line];
    return names.filter((name) => !found.some(({ params }) => params.includes(name))).map((name) => `${name} of ${line}`);
  });
}

/** Requests that an operation for any other method may not send. */
function excepted(anyBut: NonNullable<ChangeOperation['anyBut']>, requests: readonly { line: string; names: string[] }[]): string[] {
  const never = methodsOf(Object.entries(anyBut));
  return requests.flatMap(({ line, names }) =>
    never
      .filter(({ path }) => path.test(line))
      .flatMap(({ params }) => {
        if (params.length === 0) return [line];
        return names.filter((name) => params.some((one) => isSameOption(one, name))).map((name) => `${name} of ${line}`);
      }),
  );
}

function methodsOf(methods: readonly [string, readonly string[]][]) {
  return methods.map(([name, params]) => ({ path: pathOf(name), params: params.map(nameOf) }));
}

/** `net0` is `net[n]`. */
export function isSameOption(a: string, b: string): boolean {
  const general = (name: string) => name.replace(/\d+$/, '[n]');
  return general(a) === general(b);
}

function pathOf(template: string): RegExp {
  return new RegExp(`^${template.replaceAll(/[.*+?^$()|[\]\\]/g, '\\$&').replaceAll(/\{[^}]+\}/g, '[^/]+')}$`);
}
