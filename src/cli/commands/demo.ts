import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JsonObject } from '../../core/text/json.ts';
import { configure, type GlobalOptions, wholeNumber } from '../lib/options.ts';
import type { Simulator } from '../lib/simulator.ts';
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
  const { dataDir, clusters } = configure({ ...options, demo: true }).settings;
  const port = wholeNumber('--serve', text, 0, 65_536 - (clusters?.length ?? 1));
  const { startCluster, startClusters } = await import('../lib/simulator.ts');
  const served = clusters
    ? await startClusters(dataDir, clusters, port)
    : [{ cluster: undefined, simulator: await startCluster(dataDir, { port }) }];
  if (isForPeople()) for (const { cluster, simulator } of served) print(`${textOf(simulator, cluster?.name)}\n`);
  else
    printJson(
      clusters
        ? { clusters: Object.fromEntries(served.map(({ cluster, simulator }) => [cluster?.name, facts(simulator)])) }
        : (served.map(({ simulator }) => facts(simulator))[0] ?? {}),
    );
  const end = () => void Promise.all(served.map(({ simulator }) => simulator.close())).then(() => process.exit(0));
  process.once('SIGINT', end);
  process.once('SIGTERM', end);
  note('serving');
  return 0;
}

function facts({ url, port, token, fingerprint }: Simulator): JsonObject {
  return { url, port, token, fingerprint };
}

function textOf({ url, token, fingerprint }: Simulator, cluster: string | undefined): string {
  const what = cluster === undefined ? 'The embedded Proxmox VE' : `The embedded cluster ${cluster}`;
  return [
    `${what} answers at ${url}. Nothing here touches a real cluster. Ctrl-C ends it.\n`,
    `PROXMOX_HOST=${url}\nPROXMOX_TOKEN_ID='${token.id}'\nPROXMOX_TOKEN_SECRET=${token.secret}\nPROXMOX_FINGERPRINT=${fingerprint}`,
  ].join('\n');
}
