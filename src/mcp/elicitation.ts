import { randomBytes, randomUUID } from 'node:crypto';
import {
  createRequestStateCodec,
  type InputRequiredResult,
  inputRequired,
  inputResponse,
  type McpServer,
  type ServerContext,
} from '@modelcontextprotocol/server';
import * as z from 'zod';
import { fail } from '../core/errors/errors.ts';
import type { Answer, ApprovalRecord, Question } from '../core/plan/approval.ts';
import type { Result } from '../core/result.ts';
import { plainText } from '../core/text/text.ts';
import { elsewhere, UNREAD_SECONDS } from '../engine/approvals/form-answer.ts';

const KEY = 'confirm';
const CONSOLE = 'console';
const TTL_SECONDS = 600;
/** How often (ms) a client hears that its user has not answered yet: both SDKs give a call up after 60 s without news. */
const WAITING_MS = 10_000;
/** A form stays open at least so long (ms), because clocks of replicas differ. The engine itself refuses expired approvals. */
const LEAST_FORM_MS = 60_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;
const Confirmation = z.object({ typed: z.string() });

/** The state that a question carries through the client and back: signed, bound to the caller. The engine accepts its nonce once. */
interface QuestionState {
  approvalId: string;
  nonce: string;
  /** When the form left; epoch milliseconds. */
  at: number;
  /** The user was sent to the console. A reply to that decides nothing. */
  opened?: true;
}

/** Asks the human through the MCP client, in both protocol generations (SEP-2322 and, through the SDK, `elicitation/create`). */
export type Elicitation = ReturnType<typeof createElicitation>;

/** `key`: at least 32 bytes, the same in every replica; by default one that lives as long as this process. */
export function createElicitation(key: Uint8Array | string = randomBytes(32), now: () => number = Date.now) {
  const callerOf = (ctx: ServerContext) => ctx.http?.authInfo?.clientId ?? 'local';
  const codec = createRequestStateCodec<QuestionState>({
    key,
    ttlSeconds: TTL_SECONDS,
    bind: (ctx) => `${ctx.mcpReq.method}|${callerOf(ctx)}`,
  });
  const silent = new Map<string, number>();
  const nameOf = (approvalId: string, ctx: ServerContext) => `${approvalId}|${callerOf(ctx)}`;
  /** A reply of the client as an answer. Only an accepted form has a typed text. */
  const read = (reply: unknown, approvalId: string, sent: number, ctx: ServerContext): Answer => {
    const view = inputResponse({ [KEY]: reply } as Parameters<typeof inputResponse>[0], KEY);
    const action = view.kind === 'elicit' ? view.action : 'odd';
    const content = view.kind === 'elicit' && action === 'accept' ? Confirmation.safeParse(view.content).data : undefined;
    const seconds = (now() - sent) / 1000;
    // The engine does not count it as a no. The client would decline a second form too.
    if (action === 'decline' && seconds < UNREAD_SECONDS) {
      for (const [name, at] of silent) if (at < now() - TTL_SECONDS * 1000) silent.delete(name);
      silent.set(nameOf(approvalId, ctx), now());
    }
    return { approvalId, via: 'elicitation', typed: content?.typed ?? '', action, seconds };
  };
  const formOf = ({ text, mustType }: Question) => ({
    message: text,
    requestedSchema: Confirmation.extend({ typed: z.string().meta({ title: `Type "${mustType}" to confirm` }) }),
  });

  return {
    verify: codec.verify,
    /** The result that makes the client ask its user. The call is then repeated with what they typed. */
    async ask(question: Question, ctx: ServerContext): Promise<InputRequiredResult> {
      return inputRequired({
        inputRequests: { [KEY]: inputRequired.elicit(formOf(question)) },
        requestState: await codec.mint({ approvalId: question.approvalId, nonce: randomUUID(), at: now() }, ctx),
      });
    },
    /**
     * Asks a client of an older generation over its connection, and waits as long as the approval lives, also when the call is given up.
     * @param waiting called while the user has not answered
     */
    async askNow(
      { question, approval }: Extract<Result, { kind: 'question' }>,
      { server, ctx }: { server: McpServer; ctx: ServerContext },
      waiting: () => void,
    ): Promise<Answer> {
      const sent = now();
      const { method, params } = inputRequired.elicit(formOf(question));
      const timeout = Math.max(LEAST_FORM_MS, Math.min(Date.parse(approval.expiresAt) - sent, LONGEST_TIMER_MS));
      const timer = setInterval(waiting, WAITING_MS);
      try {
        const reply = await unlessUnreadable(server, () =>
          server.server.request({ method, params } as Parameters<typeof server.server.request>[0], z.unknown(), {
            relatedRequestId: ctx.mcpReq.id,
            timeout,
          }),
        );
        return read(reply, question.approvalId, sent, ctx);
      } catch (cause) {
        const still = `Nothing was done. Approval ${approval.id} is still pending.`;
        fail('approval_not_confirmed', `The client gave no answer to the form. ${still}`, { hint: elsewhere(approval.id), cause });
      } finally {
        clearInterval(timer);
      }
    },
    /** Whether this caller's client has shown that it answers the form of this approval by itself. */
    isSilent: (approvalId: string, ctx: ServerContext) => silent.has(nameOf(approvalId, ctx)),
    /** The human's reply in a repeated call; undefined in a first one. */
    answer(ctx: ServerContext): Answer | undefined {
      const state = ctx.mcpReq.requestState<QuestionState>();
      if (state === undefined || state.opened) return undefined;
      return { ...read(ctx.mcpReq.inputResponses?.[KEY], state.approvalId, state.at, ctx), formId: state.nonce };
    },
    /** The result that makes the client offer its user the console. The call is then repeated, whatever the user did. */
    async open(approval: ApprovalRecord, url: string, ctx: ServerContext): Promise<InputRequiredResult> {
      const message = `Decide about approval ${approval.id} in the console: ${plainText(approval.plan.summary, 300)}`;
      return inputRequired({
        inputRequests: { [CONSOLE]: inputRequired.elicitUrl({ message, url }) },
        requestState: await codec.mint({ approvalId: approval.id, nonce: randomUUID(), at: now(), opened: true }, ctx),
      });
    },
    /** Whether this call is the repeated one. */
    wasOpened: (ctx: ServerContext) => ctx.mcpReq.requestState<QuestionState>()?.opened === true,
  };
}

/**
 * A reply that is not a JSON-RPC answer (`"result": null`) never resolves the request, so the error of the connection rejects it.
 * @throws what the connection could not read while the request was open
 */
async function unlessUnreadable<T>(server: McpServer, request: () => Promise<T>): Promise<T> {
  const { onerror } = server.server;
  let unreadable: (error: Error) => void = () => {};
  const broken = new Promise<never>((_, reject) => {
    unreadable = reject;
  });
  server.server.onerror = (error) => {
    onerror?.(error);
    if (/Zod|Syntax/.test(error.name) || error.message.startsWith('Unknown message type')) unreadable(error);
  };
  try {
    return await Promise.race([request(), broken]);
  } finally {
    if (onerror) server.server.onerror = onerror;
    else delete server.server.onerror;
  }
}
