import type { Clock } from '../core/clock.ts';
import { newSecret, sha256 } from '../core/hash.ts';
import type { Person } from '../core/people/person.ts';

/** The logins that a transport offers. Undefined means refused, without a reason. */
export interface Logins {
  /** A one-time link, printed on the operator's own terminal. */
  loginWithLink?(secret: string): Promise<Person | undefined>;
  /** An approver's access token together with their passphrase. */
  loginWithToken?(token: string, passphrase: string, address: string): Promise<Person | undefined>;
}

/** A link works once, for less than a minute. */
export const LINK_SECONDS = 60;

export interface Links extends Required<Pick<Logins, 'loginWithLink'>> {
  /** The secret of a new link; one issued before is void from now on. */
  issue(): string;
}

/** One-time links for one person. Only the hash of the newest link is kept. */
export function createLinks(clock: Clock, person: Person): Links {
  let newest: { hash: string; until: number } | undefined;
  return {
    issue() {
      const secret = newSecret();
      newest = { hash: sha256(secret), until: clock.now() + LINK_SECONDS * 1000 };
      return secret;
    },
    async loginWithLink(secret) {
      const link = newest;
      if (link === undefined || sha256(secret) !== link.hash) return undefined;
      newest = undefined;
      return clock.now() < link.until ? person : undefined;
    },
  };
}
