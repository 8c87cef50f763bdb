import { userInfo } from 'node:os';
import type { Caller } from '../../core/people/caller.ts';
import { localOwner } from '../../core/people/owner.ts';

let principal: string | undefined;

/** The user who runs this process. Each user of the operating system is one principal and one owner in all programs. */
export function localCaller(channel: 'cli' | 'stdio', known: Partial<Pick<Caller, 'client' | 'canAsk' | 'isOperator'>> = {}): Caller {
  // A process keeps its user.
  principal ??= `local:${process.getuid?.() ?? userInfo().username}`;
  return { principal, owner: localOwner(), channel, canAsk: { elicitation: false, terminal: false }, isOperator: false, ...known };
}
