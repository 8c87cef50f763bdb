import { defined } from '../../core/defined.ts';
import { fail, ProxmoxMcpError } from '../../core/errors/errors.ts';
import { isObject, type Json, type JsonObject } from '../../core/text/json.ts';
import { plainText } from '../../core/text/text.ts';
import type { Operation } from '../../operations/define.ts';

/** How one cluster answered a read. */
export type Answered = Done | Failed;
type Done = { cluster: string; output: JsonObject };
type Failed = { cluster: string; error: ProxmoxMcpError };

const MISSING = 'Clusters without an answer, so their part is missing: ';

/** The notice of an answer that lacks clusters: a thing that it does not show may be on one of them. */
export function missingIn({ notice }: JsonObject): string | undefined {
  return typeof notice === 'string' && notice.startsWith(MISSING) ? notice : undefined;
}

/** A cluster that answered has no such thing. */
const ABSENT = ['guest_not_found', 'task_unknown'];

/**
 * The answers of several clusters as one. Lists are joined, and each row names its cluster; the rest of a cluster's answer is below its name in
 * `by_cluster`. A notice names each cluster that did not answer, with the reason.
 * @throws the error of all clusters where none answered; ambiguous where the requested thing is on several
 */
export function joined(operation: Operation, answers: readonly Answered[]): JsonObject {
  const done = answers.flatMap((one) => ('output' in one ? [one] : []));
  const failed = answers.flatMap((one) => ('error' in one ? [one] : []));
  const silent = failed.filter(({ error }) => !ABSENT.includes(error.code));
  if (done.length === 0) throw refusalOf(failed, silent);
  const missing = silent.map(({ cluster, error }) => `${cluster} (${plainText(error.message, 300)})`);
  const notice = missing.length === 0 ? {} : { notice: `${MISSING}${missing.join('; ')}` };
  const [one, another] = done;
  if (another && isAboutOne(operation)) throw ambiguous(done);
  // The others have no such thing: the answer is about it alone.
  if (one && !another && (isAboutOne(operation) || failed.length > silent.length)) return { ...notice, ...under(one.cluster, one.output) };
  return { ...notice, ...lists(done), ...others(done) };
}

/** An operation that requires a guest, and answers no list, shows one guest. */
function isAboutOne({ byName = {}, table, input }: Operation): boolean {
  return table === undefined && Object.keys(byName).some((key) => input.shape[key]?._zod.optin !== 'optional');
}

/** The label of this server stands first, and no field of an answer replaces it. */
function under(cluster: string, row: JsonObject): JsonObject {
  return Object.assign({ cluster }, row, { cluster });
}

function lists(done: readonly Done[]): JsonObject {
  const names = [...new Set(done.flatMap(({ output }) => Object.keys(output).filter((key) => isRows(output[key]))))];
  const members = names.map((name) => [
    name,
    done.flatMap(({ cluster, output: { [name]: rows } }) => (isRows(rows) ? rows.map((row) => under(cluster, row)) : [])),
  ]);
  const columns = [...new Set(done.flatMap(({ output }) => columnsOf(output)))];
  return { ...(columns.length > 0 ? { columns: ['cluster', ...columns] } : {}), ...Object.fromEntries(members) };
}

/** Totals, cursors and notices are of one cluster. */
function others(done: readonly Done[]): JsonObject {
  const rests = done.map(({ cluster, output }): [string, JsonObject] => [
    cluster,
    Object.fromEntries(Object.entries(output).filter(([key, value]) => key !== 'columns' && !isRows(value))),
  ]);
  const told = rests.filter(([, rest]) => Object.keys(rest).length > 0);
  return told.length === 0 ? {} : { by_cluster: Object.fromEntries(told) };
}

function isRows(value: Json | undefined): value is JsonObject[] {
  return Array.isArray(value) && value.every(isObject);
}

function columnsOf({ columns }: JsonObject): string[] {
  return Array.isArray(columns) ? columns.map(String) : [];
}

function refusalOf(failed: readonly Failed[], silent: readonly Failed[]): ProxmoxMcpError {
  const [first] = failed;
  if (!first) fail('internal', 'No cluster was asked.');
  const [unseen] = silent;
  const alike = failed.every(({ error }) => error.code === first.error.code && error.message === first.error.message);
  if (alike) return first.error;
  const told = failed.map(({ cluster, error }) => `${cluster}: ${plainText(error.message, 300)}`).join(' ');
  const { error } = unseen ?? failed.find((one) => one.error.details !== undefined) ?? first;
  return error.with({ message: told });
}

function ambiguous(done: readonly Done[]): ProxmoxMcpError {
  const candidates = done.map(({ cluster, output: { vmid, name } }) => ({ cluster, ...defined({ vmid, name }) }));
  return new ProxmoxMcpError('ambiguous', `There is one on each of these clusters: ${done.map(({ cluster }) => cluster).join(', ')}.`, {
    hint: 'Call again with cluster.',
    details: { candidates: candidates as Json },
  });
}
