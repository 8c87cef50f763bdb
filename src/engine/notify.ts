import type { ApprovalRecord } from '../core/approval.ts';
import type { NotifySettings } from '../core/settings.ts';
import { plainText } from '../core/text.ts';
import { faultOf } from './fault.ts';
import type { Log } from './ports.ts';

const TIMEOUT_MS = 5_000;

/** Announces a new approval. Never rejects: nobody who asks waits for it, and a fault is a warning in the log. */
export type Notify = (approval: ApprovalRecord) => Promise<void>;

/**
 * Tells the operator that something waits for a decision: what, its id, until when, and where to decide. The message holds no power: whoever
 * reads it has to log in to the console, or sit at the terminal, as without it. The agent's own words are not in it.
 */
export function createNotify(settings: NotifySettings, log: Log): Notify {
  return async (approval) => {
    try {
      const answer = await fetch(settings.url, {
        method: 'POST',
        ...messageOf(approval, settings),
        redirect: 'error',
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      await answer.body?.cancel();
      if (!answer.ok) throw new Error(`it answered ${answer.status}`);
    } catch (error) {
      log.warn(
        { host: new URL(settings.url).host, approval: approval.id, fault: faultOf(error) },
        'an approval waits for a decision and could not be announced',
      );
    }
  };
}

/** What is sent: https://docs.ntfy.sh/publish/, https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks/, or plain JSON. */
function messageOf(approval: ApprovalRecord, { kind, consoleUrl }: NotifySettings): { headers: Record<string, string>; body: string } {
  const { id, plan, expiresAt } = approval;
  const summary = plainText(plan.summary, 300);
  const requester = plainText(approval.principal, 80);
  const link = consoleUrl === undefined ? undefined : `${consoleUrl}/#/pending/${encodeURIComponent(id)}`;
  const text = `${summary}\nAsked by ${requester}; expires ${expiresAt}.\n${link === undefined ? `Decide in a terminal: proxmox-mcp approvals approve ${id}` : `Approval ${id}`}`;
  if (kind === 'ntfy') {
    return {
      headers: {
        'content-type': 'text/plain; charset=utf-8',
        title: TITLE,
        priority: 'high',
        ...(link === undefined ? {} : { click: link }),
      },
      body: text,
    };
  }
  return {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(kind === 'slack' ? slack(text, link) : { ...json(), url: link }),
  };

  function json() {
    return {
      event: 'approval_pending',
      approval_id: id,
      summary,
      operation: approval.operation,
      effect: approval.effect,
      requester,
      cluster: plainText(approval.cluster, 200),
      created_at: approval.createdAt,
      expires_at: expiresAt,
    };
  }
}

const TITLE = 'Proxmox: an approval waits for you';

/** Blocks of type plain_text take no markup, so a guest named `<!channel>` calls nobody. `text` is what small screens show: it takes some. */
function slack(text: string, link: string | undefined): object {
  const button = { type: 'button', text: { type: 'plain_text', text: 'Open the console' }, url: link };
  return {
    text: TITLE,
    blocks: [
      { type: 'header', text: { type: 'plain_text', text: TITLE, emoji: false } },
      { type: 'section', text: { type: 'plain_text', text, emoji: false } },
      ...(link === undefined ? [] : [{ type: 'actions', elements: [button] }]),
    ],
  };
}
