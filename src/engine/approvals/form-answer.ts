import { defined } from '../../core/defined.ts';
import { fail } from '../../core/errors/errors.ts';
import type { Caller } from '../../core/people/caller.ts';
import type { Answer, ApprovalRecord } from '../../core/plan/approval.ts';
import { plainText } from '../../core/text/text.ts';
import { mustTypeFor } from '../../render/approval-view.ts';
import type { Ports } from '../ports.ts';
import { denyApproval } from './decisions.ts';

/** No person reads the form in less (seconds): a faster answer is from the client or a hook of it. */
export const UNREAD_SECONDS = 1;
/** A faster yes (seconds) is marked in the audit: few people read the question and type a name in this time. */
const SWIFT_SECONDS = 2;

/**
 * Accepts only the exact text as a yes. A no from a person denies the approval. After any other answer it stays pending.
 * @throws approval_denied, approval_not_confirmed
 */
export async function requireYes(
  answer: Answer,
  { approval, caller }: { approval: ApprovalRecord; caller: Caller },
  ports: Ports,
): Promise<void> {
  const mustType = mustTypeFor(approval);
  const { action = 'accept', seconds } = answer;
  const typed = answer.typed.trim();
  if (answer.approvalId === approval.id && action === 'accept' && typed === mustType) return;
  const still = `Nothing was done. Approval ${approval.id} is pending until ${approval.expiresAt}.`;
  if (answer.approvalId !== approval.id) notConfirmed(`The answer is for another approval than ${approval.id}. ${still}`);
  if (action === 'decline') {
    if (seconds === undefined || seconds >= UNREAD_SECONDS) {
      await denyApproval(approval, { caller, reason: 'declined in the client' }, ports);
      fail('approval_denied', 'The user declined in the form. Nothing was done, and the approval is denied.', {
        hint: 'Tell the user that nothing was done. Do not ask again.',
      });
    }
    notConfirmed(
      `The client declined within ${UNREAD_SECONDS} s, before a person could read the form. It seems to show no forms. ${still}`,
      elsewhere(approval.id),
    );
  }
  if (action === 'cancel') {
    notConfirmed(
      `The form was closed without an answer. ${still}`,
      'Ask the user whether they want it, and call approve again after a yes.',
    );
  }
  if (action === 'odd') notConfirmed(`The client's answer to the form cannot be read. ${still}`, elsewhere(approval.id));
  const said = typed === '' ? 'empty' : `"${plainText(typed, 80)}"`;
  notConfirmed(
    `The typed text is ${said}, not "${mustType}". ${still}`,
    `Tell the user to type exactly "${mustType}", and call approve again.`,
  );
}

/** The note about a yes that came faster than a person reads. */
export function swiftly({ via, seconds }: Pick<Answer, 'via' | 'seconds'>): string | undefined {
  if (via !== 'elicitation' || seconds === undefined || seconds >= SWIFT_SECONDS) return undefined;
  return `answered within ${SWIFT_SECONDS} s of the form: possibly by the client itself`;
}

function notConfirmed(message: string, hint?: string): never {
  fail('approval_not_confirmed', message, defined({ hint }));
}

/** The hint that tells an agent how its human decides without the client. */
export function elsewhere(id: string): string {
  return `Ask the user to run \`proxmox-mcp approvals approve ${id}\` in a terminal of their own (or open the console). Then call approve with wait_seconds.`;
}
