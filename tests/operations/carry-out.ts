import { systemClock } from '../../src/core/clock.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { Plan, RequestStep } from '../../src/core/plan.ts';
import type { ProxmoxApi } from '../../src/core/proxmox.ts';
import type { RunRecord, StepRecord } from '../../src/core/run.ts';
import { noteDigest } from '../../src/engine/runs/digests.ts';
import { resolveStep } from '../../src/engine/runs/resolve.ts';
import { findOperation } from '../../src/operations/index.ts';
import { openGate } from '../../src/proxmox/gate.ts';
import { exitOf } from '../../src/proxmox/tasks.ts';

/** Sends a plan's steps through the gate, waits for each, and reports: what the engine does, without journal, quota and approval. */
export async function carryOut(api: ProxmoxApi, plan: Plan): Promise<JsonObject> {
  const steps: StepRecord[] = [];
  const journal = {
    find: (id: string) => steps.find((record) => record.id === id),
    write: async (record: StepRecord) =>
      void steps.splice(
        steps.findIndex(({ id }) => id === record.id),
        1,
        record,
      ),
  };
  const resolve = (step: RequestStep) => resolveStep(step, steps, (id) => id);
  const gate = openGate(
    plan.steps.filter((s): s is RequestStep => s.kind === 'request'),
    resolve,
  );
  for (const step of plan.steps) {
    if (step.kind === 'check') {
      if ((await api.holds(step.that)) === false) throw new Error(`${step.id} does not hold`);
    } else if (step.kind === 'wait') {
      for (let tries = 0; (await api.holds(step.until)) !== true; tries++) {
        if (tries > 200) throw new Error(`${step.id} never came`);
        await new Promise((done) => setTimeout(done, 20));
      }
    } else {
      await noteDigest(step, journal, api, systemClock);
      steps.push(await send(api, gate, step, resolve(step)));
    }
  }
  for (const condition of plan.expected) {
    if ((await api.holds(condition)) !== true) throw new Error(`expected but not so: ${JSON.stringify(condition)}`);
  }
  const operation = findOperation(plan.operation);
  if (!operation || !('report' in operation)) throw new Error(plan.operation);
  const run = { plan, steps } as unknown as RunRecord;
  return operation.output.parse(await operation.report(api, run)) as JsonObject;
}

async function send(
  api: ProxmoxApi,
  gate: ReturnType<typeof openGate>,
  step: RequestStep,
  request: ReturnType<typeof resolveStep>,
): Promise<StepRecord> {
  const answer = await api.send(gate, request);
  const record: StepRecord = { id: step.id, state: 'done', at: new Date().toISOString() };
  if (answer.kind === 'unknown') throw new Error(`${step.id}: ${answer.reason}`);
  if (answer.kind === 'done') {
    if (step.proof && (await api.holds(step.proof)) !== true) throw new Error(`${step.id}: not proven: ${JSON.stringify(step.proof)}`);
    return record;
  }
  // The plan names the task, so that it can be found again after a crash.
  const [, node, , , , type, id] = answer.upid.split(':');
  if (step.task?.type !== type || step.task?.id !== id || step.task?.node !== node)
    throw new Error(`${step.id}: the plan names another task than ${answer.upid}`);
  const status = await api.waitTask(answer.upid, { timeoutSeconds: 60 });
  const exit = status?.exit ?? 'still running';
  if (exitOf(exit).kind === 'failed') throw new Error(`${step.id}: ${exit}: ${(await api.taskLog(answer.upid, 5)).join(' | ')}`);
  if (step.proof && (await api.holds(step.proof)) !== true) throw new Error(`${step.id}: not proven: ${JSON.stringify(step.proof)}`);
  return { ...record, upid: answer.upid, exit };
}
