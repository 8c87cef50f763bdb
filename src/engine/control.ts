import { defined } from '../core/defined.ts';
import { fail } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import type { Result } from '../core/result.ts';
import type { ControlOperation, ControlPorts } from '../operations/define.ts';
import { findOperation } from '../operations/index.ts';
import { approveOrJoin } from './approvals/approve.ts';
import { denyApproval, expireApprovals, visibleApproval } from './approvals/requests.ts';
import { seesAllApprovals } from './limits/roles.ts';
import type { Ports } from './ports.ts';
import { auditCall } from './records.ts';
import { adoptOrphans } from './runs/adopt.ts';
import { taskPorts } from './runs/tasks.ts';
import type { Call } from './types.ts';

/** An operation about this server's own objects: approvals and runs. */
export async function control(call: Call<ControlOperation>, ports: Ports): Promise<Result> {
  const { operation, args, caller, options } = call;
  await adoptOrphans(ports);
  const tasks = taskPorts(caller, ports, options.signal);
  const result = await operation.run({ caller, approvals: approvalPorts(call, ports), tasks }, args);
  if (!operation.decides) await ports.audit.append({ kind: 'read', ...auditCall(call), status: 'ok' }, { durable: false });
  return result.kind === 'done' ? { ...result, output: operation.output.parse(result.output) as JsonObject } : result;
}

function approvalPorts({ caller, options, deadline }: Call<ControlOperation>, ports: Ports): ControlPorts['approvals'] {
  return {
    async list(filter) {
      const store = await ports.store();
      await expireApprovals(ports);
      const whose = seesAllApprovals(caller) ? {} : { principal: caller.principal };
      return store.approvals.list({ ...filter, cluster: ports.cluster.name, ...whose });
    },
    async approve(id, { waitSeconds }) {
      const approval = await visibleApproval(id, caller, ports);
      if (options.dryRun) return { kind: 'dry_run', plan: approval.plan };
      const operation = findOperation(approval.operation);
      if (!operation || !('plan' in operation)) fail('internal', `Approval ${id} is for an operation that no longer exists.`);
      const wait = waitSeconds ?? options.wait;
      const waiting = { ...options, ...defined({ wait }), ...deadline.cancelling(options) };
      const result = await approveOrJoin(approval, { operation, caller, options: waiting, deadline }, ports);
      if (result.kind !== 'done') return result;
      return {
        kind: 'done',
        output: { approval_id: id, status: 'succeeded', operation: approval.operation, result: result.output },
      };
    },
    async deny(id, reason) {
      const approval = await visibleApproval(id, caller, ports);
      if (options.dryRun) return { kind: 'dry_run', plan: approval.plan };
      const { status, operation } = await denyApproval(approval, reason, caller, ports);
      return { kind: 'done', output: { approval_id: id, status, operation } };
    },
  };
}
