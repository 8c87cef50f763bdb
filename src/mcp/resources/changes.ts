import { setTimeout as sleep } from 'node:timers/promises';
import { decoded } from '../../core/text/text.ts';
import type { Stamps } from '../../engine/stamps.ts';
import type { Engine } from '../../engine/types.ts';

/** Pause (ms) between two reads while a client is subscribed. */
const PAUSE_MS = 5_000;

/** Reports changed resources while there are listeners. */
export type ChangeFeed = ReturnType<typeof createChangeFeed>;

interface FeedOptions {
  engine: () => Promise<Pick<Engine, 'stamps'>>;
  /**
   * Whether to report changes of guests. A stream over HTTP is filtered by address alone, and VMIDs can be guessed. There a caller that is
   * limited to some guests would learn about others. The ids of approvals and runs are random.
   */
  guests: boolean;
  pauseMs?: number;
}

const ADDRESSES: Record<keyof Stamps, { list: string; item: string; ids: RegExp }> = {
  guests: { list: 'proxmox://guests', item: 'proxmox://guest/', ids: /^/ },
  approvals: { list: 'proxmox://approvals', item: 'proxmox://approvals/', ids: /^/ },
  // A UPID has an address, too, and no stamp.
  tasks: { list: 'proxmox://tasks', item: 'proxmox://task/', ids: /^run_/ },
};

/** A read that fails is skipped. The next one is compared with the last that succeeded. */
export function createChangeFeed({ engine, guests, pauseMs = PAUSE_MS }: FeedOptions) {
  const kinds = (Object.keys(ADDRESSES) as (keyof Stamps)[]).filter((kind) => guests || kind !== 'guests');
  const listeners = new Set<(uri: string) => void>();
  let known: Stamps | undefined;
  let looking = false;

  async function look(): Promise<void> {
    const now = await engine()
      .then((opened) => opened.stamps())
      .catch(() => undefined);
    if (now === undefined) return;
    for (const uri of known === undefined ? [] : changed(known, now, kinds)) for (const listener of listeners) listener(uri);
    known = now;
  }

  async function run(): Promise<void> {
    if (looking) return;
    looking = true;
    while (listeners.size > 0) {
      await look();
      await sleep(pauseMs, undefined, { ref: false });
    }
    looking = false;
    known = undefined;
  }

  return {
    /** Whether it reports changes of the resource at this address. */
    covers: (uri: string) =>
      kinds.some((kind) => {
        const { list, item, ids } = ADDRESSES[kind];
        const id = uri.startsWith(item) ? uri.slice(item.length) : '';
        return uri === list || (id !== '' && ids.test(id) && formsOf(decoded(id)).includes(id));
      }),
    /** @returns removes the listener; without listeners nothing is read */
    listen(listener: (uri: string) => void): () => void {
      // One listener may be given twice, by two subscriptions.
      const own = (uri: string) => listener(uri);
      listeners.add(own);
      void run();
      return () => listeners.delete(own);
    },
  };
}

function changed(before: Stamps, now: Stamps, kinds: readonly (keyof Stamps)[]): string[] {
  return kinds.flatMap((kind) => {
    const ids = [...new Set([...Object.keys(before[kind]), ...Object.keys(now[kind])])];
    const different = ids.filter((id) => before[kind][id] !== now[kind][id]);
    const { list, item } = ADDRESSES[kind];
    return different.length === 0
      ? []
      : [
          list,
          ...new Set(
            different
              .flatMap(namesOf)
              .flatMap(formsOf)
              .map((id) => `${item}${id}`),
          ),
        ];
  });
}

/** A client that expands the template writes `home%3A105`. */
function formsOf(id: string): string[] {
  return [id, encodeURIComponent(id)];
}

/** `home:105` has the address `105`, too, where no other cluster has that VMID. */
function namesOf(id: string): string[] {
  return id.includes(':') ? [id, id.slice(id.indexOf(':') + 1)] : [id];
}
