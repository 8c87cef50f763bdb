/** Runs work with at most `most` in flight for each key, in order of arrival; the key of a finished queue is forgotten. */
export function limitPerKey(most: number): <T>(key: string, work: () => Promise<T>) => Promise<T> {
  const lanes = new Map<string, { running: number; waiting: (() => void)[] }>();
  return async (key, work) => {
    const lane = lanes.get(key) ?? { running: 0, waiting: [] };
    lanes.set(key, lane);
    // A finished one hands its place on, so that no later call overtakes the one that was woken.
    if (lane.running < most) lane.running++;
    else await new Promise<void>((turn) => lane.waiting.push(turn));
    try {
      return await work();
    } finally {
      const next = lane.waiting.shift();
      if (next) next();
      else if (--lane.running === 0) lanes.delete(key);
    }
  };
}
