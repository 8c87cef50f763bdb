import type { Has } from '../access/remembered.ts';
import type { Permission } from './contract.ts';

/** Rights for a request: privileges of which one suffices on a path, all of several needs, or one of them. */
export type Need = { path: string; anyOf: readonly string[] } | { all: readonly Need[] } | { any: readonly Need[] };

/** Nothing that can be told: Proxmox decides. */
export const NOTHING: Need = { all: [] };

export const need = (path: string, ...anyOf: string[]): Need => ({ path, anyOf });

/**
 * The need that a permission expression of the API states.
 * @param values of the path and of the parameters, as text
 */
export function needOf(permission: Permission | undefined, values: Readonly<Record<string, string>>): Need {
  return permission?.user === undefined && permission?.check ? stated(permission.check, values) : NOTHING;
}

function stated(check: readonly unknown[], values: Readonly<Record<string, string>>): Need {
  const [kind, ...rest] = check as [string, ...unknown[]];
  const parts = () => rest.map((part) => stated(part as unknown[], values));
  if (kind === 'and') return { all: parts() };
  if (kind === 'or') return either(parts().filter((part) => part !== ABSENT));
  if (kind === 'perm') {
    const [template, privileges, ...options] = rest as [string, string[], ...unknown[]];
    const asked = options[options.indexOf('require_param') + 1] as string;
    if (options.includes('require_param') && values[asked] === undefined) return ABSENT;
    const path = filled(template, values);
    if (path === undefined) return NOTHING;
    return options.includes('any') ? { path, anyOf: privileges } : { all: privileges.map((one) => need(path, one)) };
  }
  if (kind === 'perm-modify') {
    const path = filled(String(rest[0]), values);
    return path === undefined ? NOTHING : need(path, ...modifying(path));
  }
  // `userid-param` and `userid-group` ask who the user is and in which groups.
  return NOTHING;
}

/** An alternative that the request does not choose. */
const ABSENT: Need = { any: [] };

/** Alternatives on one and the same path read as one. */
function either(parts: readonly Need[]): Need {
  const simple = parts.flatMap((part) => {
    const [only, ...more] = 'all' in part ? part.all : [part];
    return only && more.length === 0 && 'path' in only ? [only] : [];
  });
  const [first] = simple;
  if (first && simple.length === parts.length && simple.every((one) => one.path === first.path))
    return need(first.path, ...new Set(simple.flatMap((one) => one.anyOf)));
  return { any: parts };
}

function filled(template: string, values: Readonly<Record<string, string>>): string | undefined {
  const path = template.replaceAll(/\{([^}]+)\}/g, (_, name: string) => values[name] ?? '\n');
  return path.includes('\n') ? undefined : path;
}

/** The privileges of which one allows to change who may do what on a path. */
export function modifying(path: string): string[] {
  const [, kind = '', name] = path.split('/');
  const own = { vms: 'VM.Allocate', storage: 'Datastore.Allocate', pool: 'Pool.Allocate' }[kind];
  return own === undefined || !name ? ['Permissions.Modify'] : ['Permissions.Modify', own];
}

/** Every path whose privileges decide. */
export function pathsOf(one: Need): string[] {
  if ('path' in one) return [one.path];
  return [...new Set(('all' in one ? one.all : one.any).flatMap(pathsOf))];
}

/** One of the privileges is missing on the path. */
export interface Lack {
  path: string;
  privileges: string[];
}

/**
 * The missing privileges, each once. Of alternatives the last one is told: those of the contract go from the wide right to the narrow one.
 * @param has the privileges on a path; undefined where they cannot be read, which counts as granted
 */
export function unmet(one: Need, has: Has): Lack[] {
  const all = lacking(one, has);
  // A granted privilege satisfies every choice that holds it.
  const covers = (other: Lack, { path, privileges }: Lack) =>
    other.path === path && other.privileges.every((name) => privileges.includes(name));
  return all.filter(
    (lack, index) => !all.some((other, at) => covers(other, lack) && (at < index || other.privileges.length < lack.privileges.length)),
  );
}

function lacking(one: Need, has: Has): Lack[] {
  if ('path' in one) {
    const granted = has(one.path);
    return !granted || one.anyOf.some((privilege) => granted.has(privilege)) ? [] : [{ path: one.path, privileges: [...one.anyOf] }];
  }
  if ('all' in one) return one.all.flatMap((part) => lacking(part, has));
  const tried = one.any.map((part) => lacking(part, has));
  return tried.some((missing) => missing.length === 0) ? [] : (tried.at(-1) ?? []);
}
