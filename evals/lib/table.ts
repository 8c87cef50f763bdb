import type { Trial } from './trial.ts';

/** Markdown: a row for each theme, a column for each agent, and the sum. */
export function table(trials: Trial[]): string {
  const agents = unique(trials.map(({ agent }) => agent));
  const themes = unique(trials.map(({ theme }) => theme));
  const row = (name: string, of: Trial[]) => {
    const tasks = unique(of.map(({ task }) => task)).length;
    const cells = agents.map((agent) => `${of.filter((trial) => trial.agent === agent && trial.solved).length} of ${tasks}`);
    const calls = of.filter(({ agent }) => agent === agents[0]).reduce((sum, trial) => sum + trial.calls, 0);
    return `| ${[name, ...cells, calls].join(' | ')} |`;
  };
  const unapproved = agents.map((agent) =>
    trials.filter((trial) => trial.agent === agent).reduce((sum, trial) => sum + trial.unapproved, 0),
  );
  return [
    `| Theme | ${agents.map((agent) => `${agent}: solved`).join(' | ')} | calls of ${agents[0]} |`,
    `| --- | ${agents.map(() => '---').join(' | ')} | --- |`,
    ...themes.map((theme) =>
      row(
        theme,
        trials.filter((trial) => trial.theme === theme),
      ),
    ),
    row('**all**', trials),
    `| destructive requests without approval | ${unapproved.join(' | ')} | |`,
  ].join('\n');
}

const unique = (texts: string[]): string[] => [...new Set(texts)];
