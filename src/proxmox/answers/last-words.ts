/** The last answers that are likely to come again, by path and parameters. */
export interface LastWords {
  /**
   * The very same object as before while the words of the answer are the same, so that they are neither parsed nor checked again. Readers
   * share it, and none may change it.
   */
  read<T>(question: string, body: string, parse: () => T): T;
}

/** The cluster's lists and the configurations of some hundred guests: a few MiB. */
const MOST = 500;

/** Proxmox renews its lists every ten seconds, and a configuration changes rarely. Callers ask more often. */
export function createLastWords(): LastWords {
  const last = new Map<string, { body: string; said: unknown }>();
  return {
    read<T>(question: string, body: string, parse: () => T): T {
      const known = last.get(question);
      if (known?.body === body) return known.said as T;
      const said = parse();
      // Its new place is the last one, and the first one is the next to go.
      last.delete(question);
      last.set(question, { body, said });
      if (last.size > MOST) last.delete(last.keys().next().value ?? '');
      return said;
    },
  };
}
