import { createHash } from 'node:crypto';
import { type Context, needed, type Routes, text } from '../context.ts';
import { invalid, refuse } from '../errors.ts';
import { optionsOf } from './guest/new-guest.ts';

type Row = Record<string, unknown>;

const KINDS = ['gotify', 'sendmail', 'smtp', 'webhook'] as const;
/** Never answered. */
const SECRETS = new Set(['token', 'password', 'secret']);

/** Those that every installation has. */
const BUILT_IN: Row[] = [
  {
    kind: 'sendmail',
    name: 'mail-to-root',
    'mailto-user': ['root@pam'],
    comment: "Send mails to root@pam's email address",
    origin: 'builtin',
  },
  {
    kind: 'matcher',
    name: 'default-matcher',
    mode: 'all',
    target: ['mail-to-root'],
    comment: 'Route all notifications to mail-to-root',
    origin: 'builtin',
  },
];

function all(context: Context, kind: string): Row[] {
  const stored = [...context.world.all('notification').values()].filter((row) => row.kind === kind);
  const changed = new Set(stored.map(({ name }) => name));
  return [...BUILT_IN.filter((row) => row.kind === kind && !changed.has(row.name)), ...stored].filter((row) => row.gone !== 1);
}

function shown({ kind: _kind, ...row }: Row): Row {
  const open = Object.entries(row).filter(([key]) => !SECRETS.has(key));
  return { ...Object.fromEntries(open), digest: createHash('sha256').update(JSON.stringify(row)).digest('hex') };
}

function find(context: Context, kind: string): Row {
  const name = needed(context, 'name');
  return all(context, kind).find((row) => row.name === name) ?? refuse(`${kind} '${name}' does not exist`);
}

const NUMBERS = new Set(['disable', 'port', 'invert-match']);

const options = (context: Context): Row =>
  Object.fromEntries(
    Object.entries({ ...optionsOf(context, ['delete', 'digest']), ...lists(context) }).map(([key, value]) => [
      key,
      NUMBERS.has(key) ? Number(value) : value,
    ]),
  );

const LISTS = ['mailto', 'mailto-user', 'target', 'match-field', 'match-severity', 'match-calendar', 'header', 'secret'];

const lists = (context: Context): Row =>
  Object.fromEntries(LISTS.flatMap((name) => (context.params[name] === undefined ? [] : [[name, [context.params[name]].flat()]])));

const save = (context: Context, kind: string, row: Row): null => {
  context.world.put('notification', `${kind}/${row.name}`, { ...row, kind });
  return null;
};

function below(base: string, kind: string): Routes {
  return {
    [`GET ${base}`]: (context) => all(context, kind).map(shown),
    [`POST ${base}`]: (context) => {
      if (all(context, kind).some((row) => row.name === needed(context, 'name')))
        invalid({ name: `an entity with the name '${needed(context, 'name')}' already exists` });
      return save(context, kind, { ...options(context), origin: 'user-created' });
    },
    [`GET ${base}/{name}`]: (context) => shown(find(context, kind)),
    [`PUT ${base}/{name}`]: (context) => {
      const row: Row = { ...find(context, kind), ...options(context) };
      for (const key of [context.params.delete ?? []].flat()) delete row[key];
      return save(context, kind, { ...row, ...(row.origin === 'builtin' ? { origin: 'modified-builtin' } : {}) });
    },
    [`DELETE ${base}/{name}`]: (context) => {
      const row = find(context, kind);
      if (row.origin === 'user-created') context.world.drop('notification', `${kind}/${row.name}`);
      else save(context, kind, { name: row.name, gone: 1 });
      return null;
    },
  };
}

export const NOTIFICATION_ROUTES: Routes = Object.assign(
  {
    'GET /cluster/notifications': () =>
      ['endpoints', 'matcher-field-values', 'matcher-fields', 'matchers', 'targets'].map((name) => ({ name })),
    'GET /cluster/notifications/endpoints': () => KINDS.map((name) => ({ name })),
    'GET /cluster/notifications/targets': (context: Context) =>
      KINDS.flatMap((kind) =>
        all(context, kind).map(({ name, comment, disable, origin }) => ({
          name,
          type: kind,
          origin,
          ...(comment === undefined ? {} : { comment }),
          ...(disable === undefined ? {} : { disable }),
        })),
      ),
    'POST /cluster/notifications/targets/{name}/test': (context: Context) =>
      KINDS.some((kind) => all(context, kind).some(({ name }) => name === text(context, 'name')))
        ? null
        : refuse(`target '${text(context, 'name')}' does not exist`),
  } satisfies Routes,
  ...KINDS.map((kind) => below(`/cluster/notifications/endpoints/${kind}`, kind)),
  below('/cluster/notifications/matchers', 'matcher'),
);
