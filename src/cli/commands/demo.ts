import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fail } from '../../core/errors/errors.ts';
import { configure, type GlobalOptions } from '../lib/options.ts';
import { type Exit, isForPeople, note, print, printJson } from '../terminal/output.ts';

/** `demo`: the story; with `--serve` the embedded cluster alone, for other processes and other tools. */
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

/** Runs until it is told to end. The state lies in the demo's folder, as with `--demo`. */
async function serve(options: GlobalOptions, text: string): Promise<Exit> {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    fail('invalid_arguments', '--serve must be a port from 0 (any free one) to 65535.');
  const { settings } = configure({ ...options, demo: true });
  const { startCluster } = await import('../lib/simulator.ts');
  const simulator = await startCluster(settings.dataDir, { port });
  const { url, token, fingerprint } = simulator;
  if (isForPeople()) {
    print(`The embedded Proxmox VE answers at ${url}. Nothing here touches a real cluster. Ctrl-C ends it.\n`);
    print(`PROXMOX_HOST=${url}\nPROXMOX_TOKEN_ID='${token.id}'\nPROXMOX_TOKEN_SECRET=${token.secret}\nPROXMOX_FINGERPRINT=${fingerprint}`);
  } else printJson({ url, port: simulator.port, token, fingerprint });
  const end = () => void simulator.close().then(() => process.exit(0));
  process.once('SIGINT', end);
  process.once('SIGTERM', end);
  note('serving');
  return 0;
}
