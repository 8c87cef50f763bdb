import type { ServerContext } from '@modelcontextprotocol/server';
import type { Progress } from '../engine/types.ts';

const STEP = 100;

/**
 * Passes progress on to a client that asked for it. Values must rise, and a client that has gone must not break the work. The first message
 * names the task: a client that cancels gets no answer at all, so this is how it can learn what became of the work.
 */
export function progressOf(ctx: ServerContext): ((progress: Progress) => void) | undefined {
  const progressToken = ctx.mcpReq._meta?.progressToken;
  if (progressToken === undefined) return undefined;
  let last = -1;
  return ({ done, total, message }) => {
    if (last < 0 && done === 0 && total > 0 && !message.includes('UPID:')) return;
    // A step is a hundred: each message within it is one more.
    last = Math.max(done * STEP, last + 1);
    // A long step may have more messages than that; the whole is not reached before its end.
    const whole = Math.max(total * STEP, last + (done < total ? 1 : 0));
    const params = { progressToken, progress: last, ...(total === 0 ? {} : { total: whole }), message };
    ctx.mcpReq.notify({ method: 'notifications/progress', params }).catch(() => {});
  };
}
