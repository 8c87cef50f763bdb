import type { ServerContext } from '@modelcontextprotocol/server';
import type { Progress } from '../engine/types.ts';

const STEP = 100;

/**
 * Passes progress on to a client that asked for it. Values must rise, and a client that has left must not break the work. The first message
 * names the task, because a client that cancels gets no answer and can follow the task instead.
 */
export function progressOf(ctx: ServerContext): ((progress: Progress) => void) | undefined {
  const progressToken = ctx.mcpReq._meta?.progressToken;
  if (progressToken === undefined) return undefined;
  let last = -1;
  return ({ done, total, message }) => {
    if (last < 0 && done === 0 && total > 0 && !message.includes('UPID:')) return;
    // A step counts 100, and each message within it one more.
    last = Math.max(done * STEP, last + 1);
    // A long step may have more than 100 messages. The total is not reached before the end.
    const whole = Math.max(total * STEP, last + (done < total ? 1 : 0));
    const params = { progressToken, progress: last, ...(total === 0 ? {} : { total: whole }), message };
    ctx.mcpReq.notify({ method: 'notifications/progress', params }).catch(() => {});
  };
}
