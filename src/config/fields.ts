import { type Config, type configSchema, describe, VARIABLES, type Variable } from './schema.ts';

type FieldOf<V extends Variable> = (typeof configSchema.shape)[V] extends { readonly '~field'?: infer F } ? Exclude<F, undefined> : never;
type Named<F, Group extends string> = F extends `${infer G}.${infer N}`
  ? G extends Group
    ? N
    : never
  : Group extends ''
    ? F & string
    : never;
type Fields<Group extends string> = { [V in Variable as Named<FieldOf<V>, Group>]: Config[V] };
/** Optional where the variable may have no value, and absent then. */
type Present<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** The fields of one group of `Settings` that variables fill as they are; the group '' is `Settings` itself. */
export function fieldsOf<Group extends string>(config: Config, group: Group): Present<Fields<Group>> {
  const entries = VARIABLES.map((name) => ({ path: (describe(name).field ?? '').split('.'), value: config[name] }));
  const own = entries.filter(({ path, value }) => value !== undefined && path.slice(0, -1).join('.') === group && path.at(-1) !== '');
  return Object.fromEntries(own.map(({ path, value }) => [path.at(-1), value])) as Present<Fields<Group>>;
}
