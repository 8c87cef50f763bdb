import { readFileSync } from 'node:fs';
import { defined } from '../core/defined.ts';
import { fail } from '../core/errors/errors.ts';
import type { Policy } from '../core/settings/policy.ts';
import { policySchema } from './policy-schema.ts';

/**
 * Reads the operator's policy. A file that is missing or wrong stops the start: a policy that cannot be read allows nothing.
 * @param cluster the one that it is read for, which has the rules that name it and those that name none
 * @param names of all clusters; a rule about another one would match nothing
 */
export function readPolicy(file: string, cluster?: string, names: readonly string[] = []): Policy {
  const parsed = policySchema().safeParse(readJson(file));
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'the file'}: ${issue.message}`);
    fail('invalid_configuration', `The policy in ${file} cannot be used: ${problems.join('; ')}.`, {
      hint: 'Correct the file. docs/approvals.md shows every key.',
      details: { problems },
    });
  }
  const { rules, only, run, per_hour } = parsed.data;
  const unknown = rules.flatMap(({ match }) => match.cluster ?? []).find((name) => !names.includes(name));
  if (unknown !== undefined)
    fail(
      'invalid_configuration',
      `The policy in ${file} has a rule about the cluster ${JSON.stringify(unknown)}, which is not configured.`,
      {
        hint: `Correct the rule. Clusters: ${names.join(', ') || 'none has a name without PROXMOX_CLUSTERS_FILE'}.`,
      },
    );
  const own = rules.filter(({ match }) => match.cluster === undefined || (cluster !== undefined && match.cluster.includes(cluster)));
  return {
    rules: own.map(({ match: { cluster: _cluster, ...match }, never, way, approvals, require_backup_within, cooldown }) => ({
      match: defined(match),
      never,
      ...defined({ method: way, approvals, requireBackupWithin: require_backup_within, cooldown }),
    })),
    ...defined({ only }),
    ...(run ? { run: run.map(({ match, argv, files }) => ({ match: defined(match), ...defined({ argv, files }) })) } : {}),
    perHour: defined(per_hour),
  };
}

/**
 * A rule about an operation that does not exist matches nothing, so it would silently allow what it was written to forbid.
 * @param known the names of all operations, which this layer does not know
 */
export function checkPolicyOperations({ rules }: Policy, known: readonly string[]): void {
  const unknown = rules.flatMap(({ match }) => match.operation ?? []).filter((name) => !known.includes(name));
  if (unknown.length === 0) return;
  fail(
    'invalid_configuration',
    `The policy has a rule about ${unknown.map((name) => `"${name}"`).join(', ')}, which is not an operation.`,
    {
      hint: 'Correct PROXMOX_POLICY_FILE. `proxmox-mcp tools` lists all operations.',
      details: { unknown },
    },
  );
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8').replace(/^\uFEFF/, ''));
  } catch (cause) {
    const why = cause instanceof SyntaxError ? 'it is not JSON' : ((cause as NodeJS.ErrnoException).code ?? 'it cannot be read');
    fail('invalid_configuration', `The policy in ${file} cannot be used: ${why}.`, {
      hint: 'Correct PROXMOX_POLICY_FILE or the file.',
      cause,
    });
  }
}
