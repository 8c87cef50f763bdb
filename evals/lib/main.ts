import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { themes } from '../tasks/index.ts';
import { SCRIPTED, scripted } from './agents.ts';
import { modelled } from './model/index.ts';
import { problemsOf, unproven } from './prove.ts';
import { table } from './table.ts';
import { type Candidate, type Trial, trials } from './trial.ts';

const USAGE = `npm run evals -- [options]
  --model NAME    put this model on the tasks, at EVALS_ENDPOINT with EVALS_API_KEY; default: the scripted agents
  --task TEXT     only the tasks whose theme or name contains it
  --jobs N        tasks at a time; default: two a core, with a model 4
  --json FILE     write the results there
  --docs          write the table of the scripted agents into docs/evals.md
`;

const MARKED = /(<!-- evals -->\n\n)[\s\S]*?(\n\n<!-- \/evals -->)/;

/** @returns the exit code: 0 when the scripted agents prove every task; a model's failures are results, not errors. */
export async function main(root: string, args: string[]): Promise<number> {
  const options = {
    model: { type: 'string' },
    task: { type: 'string' },
    jobs: { type: 'string' },
    json: { type: 'string' },
    docs: { type: 'boolean' },
    help: { type: 'boolean' },
  } as const;
  const { values } = parseArgs({ args, options });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const binary = join(root, 'dist/cli.js');
  if (!existsSync(binary)) throw new Error('dist/cli.js is missing. Run npm run build first.');
  const { task: wanted = '', model } = values;
  const chosen = themes
    .map(({ theme, tasks }) => ({ theme, tasks: tasks.filter(({ name }) => `${theme} ${name}`.includes(wanted)) }))
    .filter(({ tasks }) => tasks.length > 0);
  if (chosen.length === 0) throw new Error(`No task contains "${wanted}".`);
  const jobs = Number(values.jobs ?? (model === undefined ? 2 * availableParallelism() : 4));
  const onTrial = (trial: Trial) => report(trial, model !== undefined);
  const results = await trials(chosen, candidates(model), { binary, jobs, onTrial });
  if (values.json) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`);
  const text = table(results);
  process.stdout.write(`\n${text}\n`);
  if (model !== undefined) return 0;
  const wrong = unproven(results);
  if (wanted === '') wrong.push(...inDocs(join(root, 'docs/evals.md'), text, values.docs === true));
  for (const line of wrong) process.stderr.write(`${line}\n`);
  return wrong.length === 0 ? 0 : 1;
}

function candidates(model: string | undefined): Candidate[] {
  if (model === undefined) return SCRIPTED.map((agent) => ({ agent, play: (task) => scripted(agent, task) }));
  const url = process.env.EVALS_ENDPOINT;
  if (!url) throw new Error('EVALS_ENDPOINT is not set. Set it to the address of the model, such as https://api.openai.com/v1.');
  return [{ agent: model, play: (_task, used) => modelled({ url, key: process.env.EVALS_API_KEY, model }, used) }];
}

function report(trial: Trial, isModel: boolean): void {
  const { theme, task, agent, solved, calls, seconds } = trial;
  const expected = isModel || solved === (agent === 'reference');
  if (!isModel && expected) return;
  const problems = solved ? '' : `  ${problemsOf(trial)}`;
  process.stderr.write(`${solved ? 'solved' : 'failed'}  ${agent}  ${theme}: ${task}  (${calls} calls, ${seconds} s)${problems}\n`);
}

/** The table of the documentation is that of this run. */
function inDocs(file: string, text: string, write: boolean): string[] {
  const page = readFileSync(file, 'utf8');
  const now = page.replace(MARKED, (_all, before: string, after: string) => `${before}${text}${after}`);
  if (now === page) return [];
  if (!write) return ['The table in docs/evals.md differs. Run npm run evals -- --docs.'];
  writeFileSync(file, now);
  return [];
}
