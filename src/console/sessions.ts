import type { Clock } from '../core/clock.ts';
import { newSecret, sha256 } from '../core/hash.ts';
import type { ConsoleSession, Person } from '../core/people/person.ts';

/** Where sessions are kept: in memory for the local page, in the shared store for several replicas. Times are ISO. */
interface SessionRows {
  insert(session: ConsoleSession): Promise<void>;
  get(cookieHash: string): Promise<ConsoleSession | undefined>;
  touch(cookieHash: string, usedAt: string): Promise<void>;
  remove(cookieHash: string): Promise<void>;
}

export function memoryRows(): SessionRows {
  const rows = new Map<string, ConsoleSession>();
  return {
    async insert(row) {
      rows.set(row.cookieHash, row);
    },
    get: async (hash) => rows.get(hash),
    async touch(hash, usedAt) {
      const row = rows.get(hash);
      if (row) rows.set(hash, { ...row, usedAt });
    },
    async remove(hash) {
      rows.delete(hash);
    },
  };
}

/**
 * A session needs two secrets at once, and only their hashes are kept. The cookie is out of reach for scripts; but a cookie has no port, so
 * whatever else listens on 127.0.0.1 is sent it too. The token lies in the page's own storage, which belongs to one origin, port included.
 * Required as a header of every request, it is the protection against forged requests as well.
 */
export interface Secrets {
  cookie: string;
  token: string;
}

export interface Sessions {
  begin(person: Person): Promise<Secrets>;
  /** The person, while the session lives. `touch: false` for what continues by itself, such as the live stream, which is not a sign of a human. */
  find(secrets: Secrets, options: { touch: boolean }): Promise<Person | undefined>;
  end(secrets: Secrets): Promise<void>;
}

/** A session ends after a working day without a human's request, because the page is meant to stay open. A full day ends it in any case. */
export const IDLE_SECONDS = 8 * 3600;
export const LIFETIME_SECONDS = 24 * 3600;

export function createSessions(clock: Clock, rows: SessionRows = memoryRows()): Sessions {
  return {
    async begin(person) {
      const secrets = { cookie: newSecret(), token: newSecret() };
      const now = new Date(clock.now()).toISOString();
      await rows.insert({ cookieHash: sha256(secrets.cookie), tokenHash: sha256(secrets.token), person, createdAt: now, usedAt: now });
      return secrets;
    },
    async find({ cookie, token }, { touch }) {
      const cookieHash = sha256(cookie);
      const row = await rows.get(cookieHash);
      // Hashes of 256 random bits: comparing them tells an attacker nothing that helps.
      if (!row || row.tokenHash !== sha256(token)) return undefined;
      const now = clock.now();
      const { person } = row;
      const isOver = now - Date.parse(row.usedAt) > IDLE_SECONDS * 1000 || now - Date.parse(row.createdAt) > LIFETIME_SECONDS * 1000;
      if (isOver || (person.until !== undefined && now >= person.until)) {
        await rows.remove(cookieHash);
        return undefined;
      }
      if (touch) await rows.touch(cookieHash, new Date(now).toISOString());
      return person;
    },
    async end({ cookie, token }) {
      const row = await rows.get(sha256(cookie));
      if (row?.tokenHash === sha256(token)) await rows.remove(row.cookieHash);
    },
  };
}
