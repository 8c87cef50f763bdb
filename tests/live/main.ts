import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { defined } from '../../src/core/defined.ts';
import { NOT_HERE, rowsOf, type Stage, type Step, withStage } from './stage.ts';
import { cleanUp, type Made, type Place, stories } from './stories.ts';

const USAGE = `npm run test:live -- --pool NAME --storage NAME [options]      with PROXMOX_* in the environment
  --pool NAME       the pool to play in; nothing outside it is changed
  --storage NAME    for the disks of the guests that are made
  --backups NAME    storage for one small backup
  --node NAME       node for the guests; default: the first one
  --story TEXT      only stories whose name contains it: light, medium, heavy
  --json FILE       write the steps there
`;

/** @returns the exit code: 0 when every story was played and nothing is left */
export async function main(root: string, args: string[], env: Record<string, string | undefined> = process.env): Promise<number> {
  const text = { type: 'string' } as const;
  const options = { pool: text, storage: text, backups: text, node: text, story: text, json: text, help: { type: 'boolean' } } as const;
  const { values } = parseArgs({ args, options });
  const { pool, storage, story = '' } = values;
  if (values.help || pool === undefined || storage === undefined) {
    process.stdout.write(USAGE);
    return values.help ? 0 : 2;
  }
  const binary = join(root, 'dist/cli.js');
  if (!existsSync(binary)) throw new Error('dist/cli.js is missing. Run npm run build first.');
  const steps: Step[] = [];
  const out: string[] = [];
  const left = await withStage({ binary, env, pool, steps }, async (stage, enter) => {
    enter('before');
    const place = await lookAround(stage, { storage, ...defined({ backups: values.backups, node: values.node }) });
    const made: Made = { guests: new Map(), volumes: new Set() };
    for (const one of stories.filter(({ name }) => name.includes(story))) {
      enter(one.name);
      // A failed step ends its story; it is in the list of steps.
      await one.play(stage, place, made, (tools, why) => out.push(`${tools}: ${why}`)).catch((error: Error) => broken(one.name, error));
    }
    enter('clean up');
    return cleanUp(stage, made);
  });
  if (values.json) writeFileSync(values.json, `${JSON.stringify(steps, null, 2)}\n`);
  report(steps, out, left);
  const failed = steps.filter(isFailed);
  return failed.length === 0 && left.length === 0 ? 0 : 1;
}

const isFailed = ({ outcome }: Step) => outcome !== 'ok' && !outcome.startsWith(NOT_HERE);

const broken = (name: string, error: Error) => process.stderr.write(`${name} ended early: ${error.message}\n`);

/** What the cluster offers, and whether the pool is there. */
async function lookAround(stage: Stage, given: { storage: string; backups?: string; node?: string }): Promise<Place> {
  const cluster = await stage.call('get_cluster', { sections: ['nodes', 'media'] });
  const online = rowsOf(cluster.nodes)
    .filter(({ state }) => state === 'online')
    .map(({ node }) => String(node));
  const node = given.node ?? online[0];
  if (node === undefined) throw new Error('No node is online.');
  const media = (kind: string) =>
    rowsOf(cluster.media).find((one) => one.kind === kind && (one.node ?? node) === node)?.volume as string | undefined;
  return {
    ...given,
    node,
    ...defined({
      otherNode: online.find((other) => other !== node),
      containerTemplate: media('container template'),
      image: media('image'),
    }),
  };
}

function report(steps: Step[], out: string[], left: string[]): void {
  for (const step of steps) {
    const { story, tool, outcome, seconds } = step;
    process.stdout.write(`${isFailed(step) ? 'FAILED  ' : ''}${story}  ${tool}  ${seconds} s  ${outcome}\n`);
  }
  for (const reason of out) process.stdout.write(`left out  ${reason}\n`);
  for (const thing of left) process.stdout.write(`STILL THERE  ${thing}\n`);
}
