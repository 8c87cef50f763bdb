import type { Trial } from './trial.ts';

/** Checks that every task has, whatever it expects. */
const GENERAL = /^(no destructive request|the audit verifies|new volumes|removed volumes|the rest of the cluster)/;

/**
 * What the scripted agents show about the tasks themselves; empty: each task can be solved, a lazy and a wrong agent are caught, and each check
 * of its own fails for one of them.
 */
export function unproven(trials: Trial[]): string[] {
  return [...new Set(trials.map(({ task }) => task))].flatMap((task) => {
    const of = (agent: string) => trials.find((trial) => trial.task === task && trial.agent === agent);
    const [reference, lazy, wrong] = [of('reference'), of('lazy'), of('wrong')];
    if (!reference || !lazy || !wrong) return [];
    const missed = [lazy, wrong].filter(({ solved }) => solved).map(({ agent }) => `${task}: the ${agent} agent is not caught`);
    const broken = [lazy, wrong]
      .filter(({ error }) => error !== undefined)
      .map(({ agent, error }) => `${task}: ${agent} broke off: ${error}`);
    const failing = new Set([...lazy.findings, ...wrong.findings].filter(({ problem }) => problem).map(({ check }) => check));
    const idle = reference.findings
      .filter(({ check }) => !GENERAL.test(check) && !failing.has(check))
      .map(({ check }) => `${task}: no agent fails the check "${check}"`);
    return [...(reference.solved ? [] : [`${task}: the reference agent fails: ${problemsOf(reference)}`]), ...missed, ...broken, ...idle];
  });
}

export function problemsOf({ findings, error }: Trial): string {
  const problems = findings.filter(({ problem }) => problem).map(({ check, problem }) => `${check}: ${problem}`);
  return [...(error === undefined ? [] : [`broke off: ${error}`]), ...problems].join(' | ');
}
