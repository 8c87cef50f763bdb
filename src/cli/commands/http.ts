import pkg from '../../../package.json' with { type: 'json' };
import { within } from '../../core/clock.ts';
import { createMetrics } from '../../http/metrics.ts';
import { type HttpFlags, serve } from '../../http/serve.ts';
import type { GlobalOptions } from '../lib/options.ts';
import { openSession } from '../lib/session.ts';
import { type Exit, note, noteFault } from '../terminal/output.ts';

/** How long (ms) the process waits for running work before it hands it over to the next one. */
const HANDOVER_MS = 30_000;

/** `http`: serves agents on other machines until the process is stopped. */
export async function http(options: GlobalOptions & HttpFlags): Promise<Exit> {
  const metrics = createMetrics();
  const session = await openSession(options, (method) => metrics.count('proxmox_mcp_upstream_requests_total', { method }));
  try {
    await serve(options, session, { metrics, version: pkg.version, note, onError: (error) => noteFault('http', error) });
    return 0;
  } finally {
    // Work that is still running is in the journal: another server, or the next one, reconciles it.
    await within(session.close(), HANDOVER_MS);
    setTimeout(() => process.exit(), 500).unref();
  }
}
