import type { Caller } from './caller.ts';

/** A person logged in to the console. Their decisions are made as a caller with exactly these fields. */
export interface Person extends Pick<Caller, 'principal' | 'owner' | 'isOperator' | 'passphraseVerified' | 'role' | 'scope'> {
  /** Shown on the page. */
  name: string;
  /** Epoch milliseconds at which their credential expires, and the session with it. */
  until?: number;
}

/** A console session. Both of its secrets are kept as hashes; times are ISO. */
export interface ConsoleSession {
  cookieHash: string;
  tokenHash: string;
  person: Person;
  createdAt: string;
  usedAt: string;
}
