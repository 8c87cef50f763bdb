import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { configure, type GlobalOptions, wholeNumber } from '../lib/options.ts';
import type { Served } from '../lib/simulator.ts';
import { type Exit, isForPeople, note, print, printJson } from '../terminal/output.ts';

/** `demo`: the story; with `--serve` the embedded cluster alone, or two with PROXMOX_DEMO_CLUSTERS=2, for other processes and other tools. */
export async function demo(options: GlobalOptions & { serve?: string }): Promise<Exit> {
  if (options.serve !== undefined) return serve(options, options.serve);
  const { tell } = await import('../demo/story.ts');
  const folder = mkdtempSync(join(tmpdir(), 'proxmox-mcp-demo-'));
  try {
    await tell(folder);
    return 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs until it is stopped. The state is in the demo's folder, as with `--demo`. */
async function serve(options: GlobalOptions, text: string): Promise<Exit> {
  const { settings } = configure({ ...options, demo: true });
  const port = wholeNumber('--serve', text, 0, 65_536 - (settings.clusters?.length ?? 1));
  const { closeClusters, startClusters } = await import('../lib/simulator.ts');
  const served = await startClusters(settings, port);
  const facts = served.map(({ simulator: { url, port, token, fingerprint } }) => ({ url, port, token, fingerprint }));
  if (isForPeople()) for (const one of served) print(`${textOf(one)}\n`);
  else
    printJson(settings.clusters ? { clusters: Object.fromEntries(settings.clusters.map(({ name }, at) => [name, facts[at]])) } : facts[0]);
  const end = () => void closeClusters(served).then(() => process.exit(0));
  process.once('SIGINT', end);
  process.once('SIGTERM', end);
  note('serving');
  return 0;
}

function textOf({ cluster, simulator: { url, token, fingerprint } }: Served): string {
  const subject = cluster ? `The embedded cluster ${cluster.name}` : 'The embedded Proxmox VE';
  return [
    `${subject} answers at ${url}. Nothing here touches a real cluster. Ctrl-C ends it.\n`,
    `PROXMOX_HOST=${url}\nPROXMOX_TOKEN_ID='${token.id}'\nPROXMOX_TOKEN_SECRET=${token.secret}\nPROXMOX_FINGERPRINT=${fingerprint}`,
  ].join('\n');
}
