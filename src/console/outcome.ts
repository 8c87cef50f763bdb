import { fail } from '../core/errors/errors.ts';
import type { RunRecord } from '../core/plan/run.ts';
import type { Result } from '../core/result.ts';
import { clusterPrefix } from '../core/settings/settings.ts';
import { isObject, type JsonObject } from '../core/text/json.ts';
import { plainText } from '../core/text/text.ts';
import { rowsOf, textOf } from './read.ts';
import type { OpenRunView, RunView } from './wire.ts';

/** Members of an answer that the page shows elsewhere. */
const KNOWN = new Set(['run_id', 'approval_id', 'upid', 'simulator']);

/** The answer of `get_task` for the page. */
export function outcomeView(result: Result): RunView {
  if (result.kind !== 'done') fail('internal', 'The operation get_task returned no result.');
  const { status, steps, error, result: report } = result.output;
  return {
    status: textOf(status, 40),
    steps: rowsOf(steps).map(({ id, state, exit }) => ({
      id: textOf(id, 60),
      state: textOf(state, 40),
      ...(exit === undefined ? {} : { exit: textOf(exit, 300) }),
    })),
    ...(isObject(error) ? { error: errorOf(error) } : {}),
    result: isObject(report)
      ? Object.entries(report)
          .filter(([name]) => !KNOWN.has(name))
          .map(([name, value]): [string, string] => [plainText(name.replaceAll('_', ' '), 60), textOf(value, 300)])
      : [],
  };
}

/** A run whose outcome is unknown, for the page. */
export function openRunView(run: RunRecord): OpenRunView {
  return {
    id: run.id,
    summary: plainText(`${clusterPrefix(run.cluster)}${run.plan.summary}`, 300),
    askedBy: plainText(run.principal, 100),
    startedAt: run.startedAt,
    message: plainText(run.error?.message ?? '', 600),
  };
}

function errorOf({ code, message, hint, details }: JsonObject): NonNullable<RunView['error']> {
  const proxmox = isObject(details) ? (details.proxmox ?? details.exit) : undefined;
  return {
    code: textOf(code, 60),
    message: textOf(message, 600),
    hint: textOf(hint, 400),
    ...(proxmox === undefined ? {} : { proxmox: textOf(proxmox, 600) }),
  };
}
