import { defined } from '../../core/defined.ts';
import { faultOf } from '../../core/errors/fault.ts';
import type { Log } from '../../core/log.ts';
import type { ApprovalRecord } from '../../core/plan/approval.ts';
import type { NotifySettings } from '../../core/settings/settings.ts';
import { approvalView } from '../../render/approval-view.ts';
import type { Notify, Ports } from '../ports.ts';

const TIMEOUT_MS = 5_000;

/** Approvals of one requester that are announced in the window (ms): an agent that requests and denies in a loop must not flood the operator. */
const MOST = 10;
const WINDOW_MS = 10 * 60_000;

/** Notifies the operator of a new approval, or once that its requester has more than are announced. Resolves when that has begun. */
export async function announce(approval: ApprovalRecord, { notify, store, clock, log }: Ports): Promise<void> {
  if (!notify) return;
  try {
    const { approvals } = await store();
    const mine = { principal: approval.principal, cluster: approval.cluster };
    const since = new Date(clock.now() - WINDOW_MS).toISOString();
    const newest = (await approvals.list({ ...mine, limit: MOST + 2 })).approvals.filter(({ createdAt }) => createdAt >= since);
    if (newest.length <= MOST) void notify(approval);
    if (newest.length !== MOST + 1) return;
    const { total } = await approvals.list({ ...mine, status: 'pending', limit: 1 });
    void notify(approval, total);
  } catch (error) {
    log.warn({ approval: approval.id, fault: faultOf(error) }, 'announcing a pending approval failed');
  }
}

/**
 * Sends the operator the summary, id and expiry of a pending approval, and where to decide. The message grants no right: its reader must log in to
 * the console or use the terminal, as without it. It leaves out the agent's own words.
 */
export function createNotify(settings: NotifySettings, log: Log): Notify {
  return async (approval, waiting) => {
    try {
      const answer = await fetch(settings.url, {
        method: 'POST',
        ...messageOf(approval, settings, waiting),
        redirect: 'error',
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      await answer.body?.cancel();
      if (!answer.ok) throw new Error(`it answered ${answer.status}`);
    } catch (error) {
      log.warn({ host: new URL(settings.url).host, approval: approval.id, fault: faultOf(error) }, 'announcing a pending approval failed');
    }
  };
}

/** The body of a message: https://docs.ntfy.sh/publish/, https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks/, or plain JSON. */
function messageOf(
  approval: ApprovalRecord,
  { kind, consoleUrl }: NotifySettings,
  waiting?: number,
): { headers: Record<string, string>; body: string } {
  const { id, summary, operation, effect, askedBy, cluster, createdAt, expiresAt } = approvalView(approval);
  const requester = askedBy.principal;
  const link = consoleUrl === undefined ? undefined : `${consoleUrl}/#/pending${waiting === undefined ? `/${encodeURIComponent(id)}` : ''}`;
  const text = waiting === undefined ? one() : many();
  if (kind === 'ntfy') {
    const headers = { 'content-type': 'text/plain; charset=utf-8', title: TITLE, priority: 'high', ...defined({ click: link }) };
    return { headers, body: text };
  }
  return {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(kind === 'slack' ? slack(text, link) : { ...json(), url: link }),
  };

  function one(): string {
    const where = link === undefined ? `Decide in a terminal: proxmox-mcp approvals approve ${id}` : `Approval ${id}`;
    return `${summary}\nRequested by ${askedBy.person}; expires ${expiresAt}.\n${where}`;
  }

  function many(): string {
    const where = link === undefined ? '\nList them in a terminal: proxmox-mcp approvals list' : '';
    return `${askedBy.person} requested more than ${MOST} approvals in ${WINDOW_MS / 60_000} minutes; ${waiting} are pending. Further ones are not announced.${where}`;
  }

  function json() {
    if (waiting !== undefined) return { event: 'approvals_limited', requester, pending: waiting, cluster };
    return {
      event: 'approval_pending',
      approval_id: id,
      summary,
      operation,
      effect,
      requester,
      cluster,
      created_at: createdAt,
      expires_at: expiresAt,
    };
  }
}

const TITLE = 'Proxmox: an approval is pending';

/** Blocks of type plain_text take no markup, so a guest named `<!channel>` notifies no user. `text` is what small screens show: it takes some. */
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
