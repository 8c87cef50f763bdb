import { randomBytes, randomUUID } from 'node:crypto';
import {
  acceptedContent,
  createRequestStateCodec,
  type InputRequiredResult,
  inputRequired,
  inputResponse,
  type RequestStateCodec,
  type ServerContext,
} from '@modelcontextprotocol/server';
import * as z from 'zod';
import type { Answer, ApprovalRecord, Question } from '../core/approval.ts';
import { fail } from '../core/errors.ts';
import { plainText } from '../core/text.ts';

const KEY = 'confirm';
const CONSOLE = 'console';
const TTL_SECONDS = 600;
const Confirmation = z.object({ typed: z.string() });

/** What a question carries through the client and back: signed, bound to the caller, valid once. */
interface QuestionState {
  approvalId: string;
  nonce: string;
  /** The user was sent to the console; nothing that comes back from there decides anything. */
  opened?: true;
}

/** Asking the human through the MCP client, in both protocol generations (SEP-2322 and, through the SDK, `elicitation/create`). */
export interface Elicitation {
  verify: RequestStateCodec<QuestionState>['verify'];
  /** The result that makes the client ask its user. The call is then repeated with what they typed. */
  ask(question: Question, ctx: ServerContext): Promise<InputRequiredResult>;
  /** What the human typed in a repeated call; undefined in a first one. Declined, cancelled or empty is the empty text: never a yes. */
  answer(ctx: ServerContext): Answer | undefined;
  /** The result that makes the client offer its user the console. The call is then repeated, whatever the user did. */
  open(approval: ApprovalRecord, url: string, ctx: ServerContext): Promise<InputRequiredResult>;
  /** Whether this call is the repeated one. */
  wasOpened(ctx: ServerContext): boolean;
}

/** `key`: at least 32 bytes, the same in every replica; by default one that lives as long as this process. */
export function createElicitation(key: Uint8Array | string = randomBytes(32)): Elicitation {
  const codec = createRequestStateCodec<QuestionState>({
    key,
    ttlSeconds: TTL_SECONDS,
    bind: (ctx) => `${ctx.mcpReq.method}|${ctx.http?.authInfo?.clientId ?? 'local'}`,
  });
  const answered = new Map<string, number>();

  return {
    verify: codec.verify,
    async ask(question, ctx) {
      const form = Confirmation.extend({ typed: z.string().meta({ title: `Type "${question.mustType}" to confirm` }) });
      return inputRequired({
        inputRequests: { [KEY]: inputRequired.elicit({ message: question.text, requestedSchema: form }) },
        requestState: await codec.mint({ approvalId: question.approvalId, nonce: randomUUID() }, ctx),
      });
    },
    answer(ctx) {
      const state = ctx.mcpReq.requestState<QuestionState>();
      const view = inputResponse(ctx.mcpReq.inputResponses, KEY);
      if (state === undefined || state.opened || view.kind === 'missing') return undefined;
      const now = Date.now();
      for (const [nonce, at] of answered) if (at < now - TTL_SECONDS * 1000) answered.delete(nonce);
      if (answered.has(state.nonce)) fail('approval_not_confirmed', 'This answer was given before; one question takes one answer.');
      answered.set(state.nonce, now);
      const typed = acceptedContent(ctx.mcpReq.inputResponses, KEY, Confirmation)?.typed ?? '';
      return { approvalId: state.approvalId, via: 'elicitation', typed };
    },
    async open(approval, url, ctx) {
      const message = `Decide about approval ${approval.id} in the console: ${plainText(approval.plan.summary, 300)}`;
      return inputRequired({
        inputRequests: { [CONSOLE]: inputRequired.elicitUrl({ message, url }) },
        requestState: await codec.mint({ approvalId: approval.id, nonce: randomUUID(), opened: true }, ctx),
      });
    },
    wasOpened: (ctx) => ctx.mcpReq.requestState<QuestionState>()?.opened === true,
  };
}
