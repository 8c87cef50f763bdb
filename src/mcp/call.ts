import {
  type CallToolResult,
  type InputRequiredResult,
  type McpServer,
  type ServerContext,
  TRACEPARENT_META_KEY,
  TRACESTATE_META_KEY,
} from '@modelcontextprotocol/server';
import { defined } from '../core/defined.ts';
import { fail } from '../core/errors/errors.ts';
import type { Caller } from '../core/people/caller.ts';
import { isTracing, type RemoteParent, traced } from '../core/trace.ts';
import { approvalWait } from '../engine/approvals/approval-wait.ts';
import { splitCommon } from '../engine/input/common.ts';
import type { Engine, PerformOptions } from '../engine/types.ts';
import { releases } from '../operations/available.ts';
import { MAX_WAIT_SECONDS } from '../operations/common.ts';
import type { Operation } from '../operations/define.ts';
import { type Rendered, renderError, renderResult } from '../render/result.ts';
import { type ClientInfo, clientOf } from './client.ts';
import type { Elicitation } from './elicitation.ts';
import { progressOf } from './progress.ts';

/** Shared by every call of every connection. */
export interface CallContext {
  /**
   * Called at the first call, so that a server which is only listed opens no store and sends nothing. Answers the same engine every time. A
   * rejection becomes the tool's error.
   */
  engine: () => Promise<Engine>;
  /** The operation of a tool that is called: a server which is only listed loads none. */
  operation: (name: string) => Promise<Operation | undefined>;
  /** The caller: the transport knows the channel, the argument tells the client. */
  caller: (client: ClientInfo) => Caller;
  elicitation: Elicitation;
  demo: boolean;
  /** The engine's default wait (seconds); cut to what a client without progress survives. */
  waitSeconds: number;
  /** Address of the page on which humans decide, where one is served to the clients' users. */
  consoleUrl?: () => string;
  /** Notices for the next answer (a certificate trusted on first use, …); removed by being read. */
  notices: () => string[];
}

/** One `tools/call` as the SDK hands it over. */
interface ToolCall {
  server: McpServer;
  name: string;
  /** Arguments as the client sent them. */
  raw: Record<string, unknown>;
  ctx: ServerContext;
  /** `modern`: 2026-07-28, where the client asks its user between two calls; `legacy`: older, where it does so during a call. */
  era: 'modern' | 'legacy';
}

type Answered = CallToolResult | InputRequiredResult;

/** Translates one `tools/call` for `perform`, and its answer or error back. Decides nothing. */
export async function callTool(context: CallContext, call: ToolCall): Promise<Answered> {
  // Opening the engine also begins traces. The answer reports an engine that does not open.
  const engine = context.engine();
  const isTraced = await engine.then(isTracing, isTracing);
  const answering = () => answered(context, engine, call);
  if (!isTraced) return answering();
  const { name, ctx } = call;
  const attributes = { 'mcp.method.name': 'tools/call', 'gen_ai.tool.name': name };
  return traced({ name: `tools/call ${name}`, kind: 'server', attributes, parent: parentOf(ctx) }, async (span) => {
    const answer = await answering();
    if (answer.isError === true) span.fail(errorCode(answer));
    return answer;
  });
}

async function answered(context: CallContext, opening: Promise<Engine>, { server, name, raw, ctx, era }: ToolCall): Promise<Answered> {
  const { demo } = context;
  try {
    const operation = (await context.operation(name)) ?? fail('internal', `The tool ${name} is listed, and its operation is missing.`);
    const { args, options } = splitCommon(operation, raw);
    const answer = context.elicitation.answer(ctx);
    const onProgress = progressOf(ctx);
    const engine = await opening;
    const client = clientOf(server, ctx);
    const { consoleUrl, elicitation } = context;
    // A client that can open the console does so first, and waits for the human afterwards.
    const opens = consoleUrl !== undefined && client.opensUrls && releases(operation) && !elicitation.wasOpened(ctx);
    const caller = context.caller(client);
    const perform = (more: PerformOptions) => engine.perform(operation.name, opens ? { ...args, wait_seconds: 0 } : args, caller, more);
    const performOptions: PerformOptions = {
      ...options,
      ...(elicitation.wasOpened(ctx) ? { waitForHuman: context.waitSeconds } : {}),
      answer,
      onProgress,
      ...(options.wait === undefined && !onProgress && context.waitSeconds > MAX_WAIT_SECONDS ? { wait: MAX_WAIT_SECONDS } : {}),
      signal: ctx.mcpReq.signal,
    };
    let result = await perform(performOptions);
    if (result.kind === 'question' && answer === undefined) {
      const asked = result;
      const { question, approval } = asked;
      if (elicitation.isSilent(approval.id, ctx))
        result = { kind: 'approval_required', approval: { ...approval, method: 'human' }, waited: 0 };
      else if (era === 'modern') return await elicitation.ask(question, ctx);
      else {
        const waiting = () => onProgress?.({ done: 0, total: 0, message: 'waiting for the user to answer the form' });
        const now = await traced(approvalWait(approval), () => elicitation.askNow(asked, { server, ctx }, waiting));
        // A client that cancelled the call gets no answer, but the answer of its user counts.
        const { signal: _gone, ...late } = performOptions;
        result = await perform({ ...(ctx.mcpReq.signal.aborted ? late : performOptions), answer: now });
      }
    }
    if (result.kind === 'question') fail('approval_not_confirmed', 'The human did not confirm.');
    if (opens && result.kind === 'approval_required') return await elicitation.open(result.approval, consoleUrl(), ctx);
    const shown = { demo, tables: operation, notices: context.notices(), consoleUrl: consoleUrl?.() };
    return result.kind === 'done' && shown.notices.length === 0
      ? { ...renderedOnce(result.output, () => toResult(renderResult(result, shown))) }
      : toResult(renderResult(result, shown));
  } catch (error) {
    return { ...toResult(renderError(error, { demo, notices: context.notices() })), isError: true };
  }
}

/** The client's own span. That of the call takes precedence over that of the HTTP request. */
function parentOf({ mcpReq, http }: ServerContext): RemoteParent {
  const { [TRACEPARENT_META_KEY]: traceparent, [TRACESTATE_META_KEY]: tracestate } = mcpReq._meta ?? {};
  if (typeof traceparent === 'string') return { traceparent, ...(typeof tracestate === 'string' ? { tracestate } : {}) };
  const header = (name: string) => http?.req?.headers.get(name) ?? undefined;
  return defined({ traceparent: header('traceparent'), tracestate: header('tracestate') });
}

function errorCode({ structuredContent }: CallToolResult | InputRequiredResult): string {
  const { error } = (structuredContent ?? {}) as { error?: { code?: string } };
  return error?.code ?? 'internal';
}

/** Rendered answers of reads that several callers share. Without notices they do not depend on the caller. */
const renderings = new WeakMap<object, CallToolResult>();

function renderedOnce(output: object, render: () => CallToolResult): CallToolResult {
  const rendered = renderings.get(output) ?? render();
  renderings.set(output, rendered);
  return rendered;
}

function toResult({ forModel, text }: Rendered): CallToolResult {
  return { content: [{ type: 'text', text }], structuredContent: forModel };
}
