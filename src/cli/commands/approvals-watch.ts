import { setTimeout as sleep } from 'node:timers/promises';
import type { ApprovalRecord } from '../../core/plan/approval.ts';
import { clusterPrefix, nameIn } from '../../core/settings/settings.ts';
import { plainText, visibleJson } from '../../core/text/text.ts';
import { missingClusters, namingMissing } from '../lib/missing.ts';
import type { GlobalOptions } from '../lib/options.ts';
import { withSession } from '../lib/session.ts';
import { type Exit, isForPeople, note, print, wantsJson } from '../terminal/output.ts';
import { wrap } from '../terminal/wrap.ts';

const POLL_MS = 1_000;

/** `approvals watch`: one line whenever an approval appears or ends; new ones ring the bell. Ends with Ctrl-C. */
export function watch(options: GlobalOptions): Promise<Exit> {
  return withSession(options, async (session) => {
    const { engine } = session;
    const stop = new AbortController();
    process.once('SIGINT', () => stop.abort());
    // The reader has closed the pipe.
    process.stdout.once('error', () => stop.abort());
    const known = new Map<string, string>();
    note('Following approvals until Ctrl-C. Decide with: proxmox-mcp approvals approve|deny ID');
    namingMissing(await missingClusters(session));
    for (let first = true; !stop.signal.aborted; first = false) {
      const { pending, recent } = await engine.watch();
      for (const approval of [...recent.reverse(), ...pending]) {
        if (known.get(approval.id) === approval.status) continue;
        const wasKnown = known.has(approval.id);
        known.set(approval.id, approval.status);
        if (approval.status === 'pending' || wasKnown) print(shown(approval));
        if (approval.status === 'pending' && !first && process.stderr.isTTY) process.stderr.write('\u0007');
      }
      await sleep(POLL_MS, undefined, { signal: stop.signal }).catch(() => undefined);
    }
    return 0;
  });
}

/** With `--output json` a document a line, its members named as those of `approvals list`. */
function shown(approval: ApprovalRecord): string {
  const { id, status, plan, principal, expiresAt } = approval;
  const cluster = clusterPrefix(approval.cluster) === '' ? {} : { cluster: nameIn(approval.cluster) };
  if (wantsJson())
    return visibleJson({ ...cluster, approval_id: id, status, summary: plan.summary, requester: principal, expires_at: expiresAt });
  return isForPeople() ? wrap(line(approval), { indent: '          ' }) : line(approval);
}

function line(approval: ApprovalRecord): string {
  const time = new Date().toTimeString().slice(0, 8);
  return `${time}  ${approval.id}  ${approval.status.padEnd(9)}  ${plainText(`${clusterPrefix(approval.cluster)}${approval.plan.summary}`, 120)}  (requested by ${plainText(approval.principal, 40)})`;
}
