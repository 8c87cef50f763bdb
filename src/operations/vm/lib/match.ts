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
