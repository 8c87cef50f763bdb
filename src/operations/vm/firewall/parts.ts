import { fail } from '../../../core/errors/errors.ts';
import { parseNetwork } from '../../../core/network.ts';
import type { Condition, Step } from '../../../core/plan/plan.ts';
import type { Json } from '../../../core/text/json.ts';
import { plainText } from '../../../core/text/text.ts';

/** The parts of a plan that changes a firewall; aliases, IP sets, rules and options add theirs one after another. */
export interface Part {
  /** Each completes "Change the firewall of web1 (105): …". */
  texts: string[];
  /** In this order: names that rules use, then rules and options, then names that rules no longer use. */
  early: Step[];
  steps: Step[];
  late: Step[];
  expected: Condition[];
  binds: Record<string, Json>;
  choices: string[];
  undo: string[];
}

export function part(): Part {
  return { texts: [], early: [], steps: [], late: [], expected: [], binds: {}, choices: [], undo: [] };
}

interface Note {
  /** Holds afterwards. */
  proof?: Condition;
  text: string;
  undo: string;
}

/** Adds one change: its text, its proof and its undo. */
export function note(out: Part, { proof, text, undo }: Note): void {
  if (proof) out.expected.push(proof);
  out.texts.push(text);
  out.undo.push(undo);
}

/** The list at the path has a row with these values, or has none. */
export function listed(path: string, row: Record<string, string | null>, is: 'present' | 'absent', says: string): Condition {
  return { kind: 'listed', path, row, is, says: plainText(says, 400) };
}

/** `10.0.0.0/8`, `10.0.0.1-10.0.0.9`, or an address; Proxmox leaves out the prefix of a single address. @throws invalid_arguments */
export function network(text: string): string {
  const [from = '', to, ...more] = text.trim().split('-');
  const isRange = to !== undefined && more.length === 0 && parseNetwork(from) !== undefined && parseNetwork(to) !== undefined;
  if (!isRange && parseNetwork(text.trim()) === undefined) {
    fail('invalid_arguments', `"${plainText(text, 80)}" is not an address or network such as 10.0.0.0/8.`);
  }
  return text.trim().replace(/\/(32|128)$/, (whole, bits) => (bits === (text.includes(':') ? '128' : '32') ? '' : whole));
}

/** Proxmox reads the names of IP sets in lower case, whatever case they were made in, and finds none by another. */
export function setName(name: string): string {
  return name.toLowerCase();
}

/** A name of an IP set or alias. @throws invalid_arguments */
export function checkName(name: string): void {
  if (!/^[A-Za-z][A-Za-z0-9_-]{1,63}$/.test(name)) {
    fail('invalid_arguments', `"${plainText(name, 80)}" is not a name: it begins with a letter and has 2 to 64 letters, digits, _ and -.`);
  }
}
