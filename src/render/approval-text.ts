import type { ApprovalRecord } from '../core/approval.ts';
import { typedName } from '../core/guest.ts';
import type { Json } from '../core/json.ts';
import { isSecretRef, nameOfSource, type ParamValue, type PlanFacts, type SourceGuest, type Step } from '../core/plan.ts';
import { plainText } from '../core/text.ts';

/**
 * The text on which a human decides, the same in the terminal, through the client and in the console. It is rendered from the frozen plan and
 * live facts; every word from a guest or an agent is made harmless first, and the agent's reason comes last, marked as unverified.
 */
export function renderApproval(approval: ApprovalRecord): string {
  const { plan } = approval;
  const { target, facts } = plan;
  const lines = [
    plainText(plan.summary, 300),
    `Effect: ${plan.effect}${plan.raisedBecause ? ` (${plainText(plan.raisedBecause, 300)})` : ''}`,
    `Undo: ${plainText(plan.undo, 300)}`,
  ];
  if (target && !plan.targets)
    lines.push(
      `Guest: ${plainText(target.name, 80) || '(no name)'}, VMID ${target.vmid}, ${target.type === 'lxc' ? 'container' : 'VM'} on node ${plainText(target.node, 80)}`,
    );
  if (plan.targets && plan.targets.length > 1) {
    lines.push(
      `Guests (${plan.targets.length}):`,
      ...plan.targets.map((t) => {
        const about = describe(facts?.guests?.find(({ vmid }) => vmid === t.vmid) ?? {}, t.protection);
        return `  ${String(t.vmid).padStart(9)}  ${plainText(t.name, 60) || '(no name)'}  on ${plainText(t.node, 60)}${about}`;
      }),
    );
  }
  if (plan.sources && plan.sources.length > 0) lines.push(`Copies the disks of: ${plan.sources.map(describeSource).join('; ')}`);
  if (facts?.formerNames && facts.formerNames.length > 0)
    lines.push(`Earlier names of this guest: ${facts.formerNames.map((n) => plainText(n, 80)).join(', ')}`);
  for (const warning of plan.warnings) lines.push(`Warning: ${plainText(warning, 400)}`);
  for (const [key, after] of Object.entries(plan.after ?? {}))
    lines.push(`Change: ${plainText(key, 60)}: ${show(plan.before?.[key])} → ${show(after)}`);
  if (facts?.disks) lines.push(`Disks: ${facts.disks.map((d) => plainText(d, 120)).join(', ') || 'none'}`);
  if (facts?.untouched && facts.untouched.length > 0)
    lines.push(`Stays untouched: ${facts.untouched.map((d) => plainText(d, 120)).join(', ')}`);
  if (facts?.snapshots)
    lines.push(
      `Snapshots: ${facts.snapshots.length === 0 ? 'none' : `${facts.snapshots.length} (${plainText(facts.snapshots.join(', '), 200)})`}`,
    );
  if (facts?.lastBackup !== undefined) lines.push(`Last backup: ${facts.lastBackup ?? 'none found'}`);
  if (facts?.uptimeSeconds !== undefined) lines.push(`Uptime: ${duration(facts.uptimeSeconds)}`);
  if (facts?.ha) lines.push(`High availability: ${plainText(facts.ha, 80)}`);
  if (facts?.pool) lines.push(`Pool: ${plainText(facts.pool, 80)}`);
  if (facts?.tags && facts.tags.length > 0) lines.push(`Tags: ${plainText(facts.tags.join(', '), 200)}`);
  lines.push(`Cluster: ${plainText(approval.cluster, 200)}`, 'Exactly these requests will be sent:', ...plan.steps.map(renderStep));
  lines.push(`Asked by ${plainText(approval.principal, 80)} over ${approval.channel}; expires ${approval.expiresAt}`);
  if (approval.reason) lines.push(`The agent's reason, unverified: «${plainText(approval.reason, 300).replace(/[«»]/g, '"')}»`);
  return lines.join('\n');
}

/** `vault (106) on node pve, protected` */
export function describeSource(source: SourceGuest): string {
  const { identity, template, gone } = source;
  const parts = [
    ...(identity === undefined ? [gone ? 'gone, only its volumes are left' : 'not visible to the token'] : []),
    ...(template ? ['template'] : []),
    ...(identity?.protection && !template ? ['protected'] : []),
  ];
  const place = identity === undefined ? '' : ` on node ${plainText(identity.node, 60)}`;
  return `${nameOfSource(source)}${place}${parts.length === 0 ? '' : `, ${parts.join(', ')}`}`;
}

/** One guest of several, on its line: `; up 3 d 2 h, HA started, pool shop, tags prod web`. */
function describe({ uptimeSeconds, ha, pool, tags = [] }: PlanFacts, protection: boolean): string {
  const parts = [
    ...(protection ? ['protected'] : []),
    ...(uptimeSeconds === undefined ? [] : [`up ${duration(uptimeSeconds)}`]),
    ...(ha === undefined ? [] : [`HA ${plainText(ha, 40)}`]),
    ...(pool === undefined ? [] : [`pool ${plainText(pool, 60)}`]),
    ...(tags.length === 0 ? [] : [`tags ${plainText(tags.join(' '), 80)}`]),
  ];
  return parts.length === 0 ? '' : `; ${parts.join(', ')}`;
}

/** What means yes: `web1 105`; for several guests their number and the first name, `3 web1`. */
export function mustTypeFor({ plan, id }: Pick<ApprovalRecord, 'plan' | 'id'>): string {
  const { target, targets } = plan;
  if (target && targets && targets.length > 1) return `${targets.length} ${target.name === '' ? target.vmid : target.name}`;
  return target ? typedName(target) : id;
}

/** The same with what has to be typed for a yes. */
export function renderQuestion(approval: ApprovalRecord): string {
  const mustType = mustTypeFor(approval);
  return `${renderApproval(approval)}\n\nTo allow it, type: ${mustType}\nAnything else means no.`;
}

/** `POST /nodes/pve/qemu/105/status/stop (power off web1)`, secrets shown as stars. */
function renderStep(step: Step): string {
  if (step.kind !== 'request') return `  then ${step.kind === 'wait' ? 'wait until' : 'check that'} ${plainText(step.purpose, 200)}`;
  const params = Object.entries(step.params).map(([key, value]) => `${key}=${plainText(showParam(value), 120)}`);
  return `  ${step.method} ${plainText(step.path, 200)}${params.length > 0 ? ` ${params.join(' ')}` : ''}  (${plainText(step.purpose, 120)})`;
}

function showParam(value: ParamValue): string {
  if (isSecretRef(value)) return '***';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function show(value: Json | undefined): string {
  return value === undefined || value === null ? 'none' : plainText(typeof value === 'string' ? value : JSON.stringify(value), 120);
}

/** 93784 seconds is `1 d 2 h`. */
export function duration(seconds: number): string {
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor((seconds % 86_400) / 3_600), 'h'],
    [Math.floor((seconds % 3_600) / 60), 'min'],
    [Math.floor(seconds % 60), 's'],
  ].filter(([n]) => n !== 0);
  return (
    parts
      .slice(0, 2)
      .map(([n, unit]) => `${n} ${unit}`)
      .join(' ') || '0 s'
  );
}
