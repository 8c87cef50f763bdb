import { userInfo } from 'node:os';

let known: string | undefined;

/**
 * The owner of this process's requests and decisions, and of tokens that it creates without `--owner`: the name of its user. `local:UID` where
 * the user has no name, as in some containers.
 */
export function localOwner(): string {
  // Each call is one of this owner, and a process keeps its user.
  known ??= nameOfUser();
  return known;
}

function nameOfUser(): string {
  try {
    return userInfo().username;
  } catch {
    return `local:${process.getuid?.() ?? 'unknown'}`;
  }
}

/**
 * Whether two owners are one person. Composed and decomposed letters look alike, and people do not tell names apart by their case.
 * Rows of earlier versions hold `local:UID` for the owner whose name is known by now.
 */
export function sameOwner(a: string, b: string): boolean {
  return keyOf(a) === keyOf(b);
}

/** Each person once, under the first of their names. */
export function distinctOwners(owners: readonly string[]): string[] {
  return owners.filter((owner, index) => owners.findIndex((other) => sameOwner(other, owner)) === index);
}

function keyOf(owner: string): string {
  const name = owner === `local:${process.getuid?.()}` ? localOwner() : owner;
  return name.normalize('NFC').toLowerCase();
}
