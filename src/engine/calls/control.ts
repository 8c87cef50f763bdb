import { defined } from '../../core/defined.ts';
import type { Result } from '../../core/result.ts';
import type { JsonObject } from '../../core/text/json.ts';
import type { ControlOperation, ControlPorts } from '../../operations/define.ts';
import { approve } from '../approvals/approve.ts';
import { denyApproval, expireApprovals, visibleApproval } from '../approvals/decisions.ts';
import { seesAllApprovals } from '../limits/roles.ts';
import type { Ports } from '../ports.ts';
import { auditCall } from '../records.ts';
import { adoptOrphans } from '../runs/outcome/adopt.ts';
import { taskPorts } from '../runs/tasks/tasks.ts';
import type { Call } from '../types.ts';

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
    approve(id, { waitSeconds }) {
      const wait = waitSeconds ?? options.wait;
      return approve(id, { caller, options: { ...options, ...defined({ wait }), ...deadline.cancelling(options) }, deadline }, ports);
    },
    async deny(id, reason) {
      const approval = await visibleApproval(id, caller, ports);
      if (options.dryRun) return { kind: 'dry_run', plan: approval.plan };
      const { status, operation } = await denyApproval(approval, { caller, reason }, ports);
      return { kind: 'done', output: { approval_id: id, status, operation } };
    },
  };
}
