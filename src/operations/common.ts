import type { Operation } from './define.ts';

/** Parameters that every tool of an effect has besides its own. Transports read them; operations never get them. */
export type Common = 'dry_run' | 'wait_seconds' | 'reason';
/** Longest wait (seconds) that a client without progress survives: both SDKs give up after 60. */
export const MAX_WAIT_SECONDS = 50;
export const MAX_REASON_LENGTH = 300;

export function commonOf(operation: Operation): Common[] {
  switch (operation.effect) {
    case 'read':
    case 'control':
      return [];
    case 'change':
      return ['dry_run', 'wait_seconds'];
    default:
      return ['dry_run', 'reason'];
  }
}
