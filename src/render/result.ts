import { defined } from '../core/defined.ts';
import { asError } from '../core/errors/errors.ts';
import { labelOf } from '../core/guest.ts';
import type { ApprovalMethod, ApprovalRecord } from '../core/plan/approval.ts';
import { targetsOf } from '../core/plan/parts.ts';
import type { ParamValue, Plan, Step } from '../core/plan/plan.ts';
import type { RunRecord } from '../core/plan/run.ts';
import type { Result } from '../core/result.ts';
import { clusterPrefix } from '../core/settings/settings.ts';
import type { Json, JsonObject } from '../core/text/json.ts';
import { harmless } from '../core/text/text.ts';
import { withinBudget } from './budget.ts';
import { compactText } from './compact.ts';
import { describeSource } from './facts.ts';
import { asObjects, asTables, type Tables } from './table.ts';

/** One answer for its kinds of readers. */
export type Rendered = ReturnType<typeof finish>;

export interface RenderOptions {
  /** The lists of the operation that answered. */
  tables?: Tables | undefined;
  /** The embedded cluster answered; every answer says so, to tell it from a real one. */
  demo?: boolean;
  /** A notice, for example a certificate that was trusted on first use. */
  notices?: string[];
  /** Address of the console, for an approval that only a human decides. */
  consoleUrl?: string | undefined;
}

/** The result of `perform`, for agents and for the command line. The only renderer, so MCP and the command line say the same. */
export function renderResult(result: Result, options: RenderOptions = {}): Rendered {
  const body = bodyOf(result);
  const elsewhere = result.kind === 'approval_required' && result.approval.method === 'human';
  return finish(elsewhere && options.consoleUrl !== undefined ? { ...body, decide_at: options.consoleUrl } : body, options);
}

/** Anything thrown, as `{error: {code, who, message, hint, details?}}`; what is not of the catalogue becomes `internal` without its text. */
export function renderError(thrown: unknown, options: RenderOptions = {}): Rendered {
  return finish({ error: asError(thrown).toJSON() as unknown as JsonObject }, options);
}

/** A plan for readers: its effect, the exact requests, and the facts for a decision. Secrets are not in plans. */
export function planView(plan: Plan): JsonObject {
  const targets = targetsOf(plan);
  const view: Record<string, unknown> = {
    summary: plan.summary,
    effect: plan.effect,
    raised_because: plan.raisedBecause,
    existing: plan.existing,
    copies_disks_of: plan.sources?.map(describeSource),
    protected: targets.filter(({ protection }) => protection).map(labelOf),
    locked: targets.flatMap((target) => (target.lock === undefined ? [] : [`${labelOf(target)}: ${target.lock}`])),
    requests: plan.steps.map(stepView),
    choices: plan.choices,
    warnings: plan.warnings,
    before: plan.before,
    after: plan.after,
    facts: plan.facts,
    undo: plan.undo === '' ? undefined : plan.undo,
  };
  return withoutEmpty(view);
}

function bodyOf(result: Result): JsonObject {
  switch (result.kind) {
    case 'done':
      return result.output;
    case 'dry_run': {
      const plan = planView(result.plan);
      return { dry_run: true, plan: result.requests ? { ...plan, requests: result.requests } : plan };
    }
    case 'approval_required':
      return result.waited === undefined ? askingView(result.approval) : waitingView(result.approval, result.waited);
    case 'question':
      return askingView(result.approval);
    case 'running': {
      const { run, upid, differs } = result;
      const done = run.steps.filter((step) => step.state === 'done').length;
      return {
        ...(differs
          ? { notice: 'Another call creates this guest with other arguments. Call again once it has ended, to read the differences.' }
          : {}),
        status: 'running',
        run_id: run.id,
        ...defined({ upid }),
        summary: run.plan.summary,
        progress: `${done} of ${run.plan.steps.length} steps done`,
        ...waitingFor(run),
        next: 'get_task',
      };
    }
  }
}

/** The conditions that a run still waits for once all requests are done. */
function waitingFor({ plan, steps }: RunRecord): JsonObject {
  const isDone = plan.steps.every(({ kind, id }) => kind !== 'request' || steps.some((one) => one.id === id && one.state === 'done'));
  const waits = plan.steps.flatMap((step) => (step.kind === 'wait' ? [step.purpose] : []));
  return isDone && waits.length > 0 ? { waits_until: waits } : {};
}

function askingView(approval: ApprovalRecord): JsonObject {
  const { summary, ...plan } = planView(approval.plan);
  return {
    approval_required: true,
    approval_id: approval.id,
    expires_at: approval.expiresAt,
    summary: `${clusterPrefix(approval.cluster)}${summary ?? approval.plan.summary}`,
    way: approval.method,
    plan,
    next: nextFor(approval),
  };
}

/** For a caller that has the plan from its request: short, because it may ask many times. */
function waitingView(approval: ApprovalRecord, waited: number): JsonObject {
  return {
    approval_required: true,
    approval_id: approval.id,
    status: 'pending',
    waited_seconds: waited,
    expires_at: approval.expiresAt,
    way: approval.method,
    next: nextFor(approval),
  };
}

function nextFor({ method, id }: ApprovalRecord): string {
  return NEXT[method].replace(/\bID\b/, id);
}

const NEXT: Record<ApprovalMethod, string> = {
  relay: 'Show this to the user and ask. Call approve with this approval_id only after their explicit yes. Call deny after a no.',
  elicitation: 'Tell the user what this does, then call approve with this approval_id. The client asks the user to type the guest’s name.',
  terminal: 'The user confirms in the terminal by typing the name and VMID of the guest.',
  human:
    'Only a human can decide. Ask the user to run `proxmox-mcp approvals approve ID` in their own terminal, or to open the console. approve with wait_seconds waits for the outcome.',
};

function stepView(step: Step): JsonObject {
  if (step.kind !== 'request') return { [step.kind]: step.purpose };
  const params = Object.fromEntries(Object.entries(step.params).map(([key, value]) => [key, paramView(value)]));
  return { request: `${step.method} ${step.path}`, ...(Object.keys(params).length > 0 ? { params } : {}), purpose: step.purpose };
}

function paramView(value: ParamValue): Json {
  if (typeof value !== 'object' || Array.isArray(value)) return value;
  return '$secret' in value ? '[secret]' : `<${value.$from}>`;
}

function finish(body: JsonObject, { demo, notices = [], tables = {} }: RenderOptions) {
  const whole = { ...(demo ? { simulator: true } : {}), ...(notices.length > 0 ? { notices } : {}), ...body };
  const tabular = harmless(asTables(whole, tables)) as JsonObject;
  const forModel = withinBudget(tabular);
  return {
    /** For programs: all of it, rows as objects. A getter, because models never read it. */
    get structured() {
      return asObjects(harmless(whole) as JsonObject, tables);
    },
    /** The same with lists as tables. */
    tabular,
    /** For models: tabular, and no longer than a context bears. */
    forModel,
    /** The same as `forModel`, for readers of text. */
    text: textOf(forModel),
  };
}

/** The text for a model, its notice first. */
function textOf(answer: JsonObject): string {
  if (typeof answer.notice !== 'string') return compactText(answer);
  const { notice, ...rest } = answer;
  return `${notice}\n${compactText(rest)}`;
}

/** Without members that are absent or empty, which would cost tokens. */
function withoutEmpty(view: Record<string, unknown>): JsonObject {
  const kept = Object.entries(view).filter(([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0));
  return Object.fromEntries(kept) as JsonObject;
}
