import type { RunRecord } from '../../core/plan/run.ts';
import type { ChangeOperation } from '../../operations/define.ts';
import type { Ports } from '../ports.ts';

/** Looks for what another process has read and not yet stored, and the pause (ms) between them. */
const LOOKS = { times: 5, pauseMs: 200 };

/** The run with what its guest tells once. The process that reads it keeps it with the run, where every other one finds it. */
export async function withTold(run: RunRecord, operation: ChangeOperation, ports: Ports): Promise<RunRecord> {
  if (!operation.tellsOnce) return run;
  const { runs } = await ports.store();
  const kept = await keptOf(run, ports);
  if (kept) return kept;
  const told = await operation.tellsOnce(ports.cluster.api, run);
  if (told === undefined) return run;
  const now = { ...run, steps: run.steps.map((step, index) => (index === run.steps.length - 1 ? { ...step, told } : step)) };
  if (told.notice === undefined) {
    // It cannot be read again, so the caller gets it also where it cannot be kept.
    return runs.keepTold(run.id, told).then(
      (stored) => stored ?? now,
      (err) => {
        ports.log.error({ err, run: run.id }, 'what the guest told about this run could not be stored, so later answers lack it');
        return now;
      },
    );
  }
  for (let look = 1; look <= LOOKS.times; look++) {
    const others = await keptOf(run, ports);
    if (others) return others;
    await ports.clock.sleep(LOOKS.pauseMs);
  }
  return now;
}

async function keptOf({ id }: RunRecord, ports: Ports): Promise<RunRecord | undefined> {
  const stored = await (await ports.store()).runs.get(id);
  return stored?.steps.at(-1)?.told ? stored : undefined;
}
