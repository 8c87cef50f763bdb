import { fail } from '../../../core/errors/errors.ts';
import { plainText } from '../../../core/text/text.ts';

/** Guest names are compared without case: `T700` and `t700` are both accepted by Proxmox, and people confuse them. */
export function sameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

/** `cores: requested 4, has 2` */
export function differs(what: string, asked: unknown, has: unknown): string {
  const text = (value: unknown) => plainText(String(value ?? ''), 60) || 'none';
  return `${what}: requested ${text(asked)}, has ${text(has)}`;
}

/** Two entries for one thing would each start from its present state. @throws invalid_arguments */
export function refuseTwice(what: string, names: readonly string[]): void {
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined)
    fail('invalid_arguments', `${what} ${plainText(twice, 80)} is named twice.`, { hint: 'Put all its changes into one entry.' });
}
