import pkg from '../../../package.json' with { type: 'json' };
import { checkPolicyOperations } from '../../config/policy.ts';
import { defined } from '../../core/defined.ts';
import { lazy } from '../../core/lazy.ts';
import { clustersOf } from '../../core/settings/settings.ts';
import type { Session } from '../../engine/session.ts';
import { createChangeFeed } from '../../mcp/resources/changes.ts';
import { createServerFactory } from '../../mcp/server.ts';
import { runStdio } from '../../mcp/stdio.ts';
import { localCaller } from '../lib/caller.ts';
import { offeredTools } from '../lib/offered-tools.ts';
import { configure, type GlobalOptions } from '../lib/options.ts';
import { loadForSession, openSession } from '../lib/session.ts';
import { type Exit, note, noteFault } from '../terminal/output.ts';

/**
 * `stdio`: serves one MCP client. Starts without credentials too: tools are listed, and the first call says which variables are missing.
 * Nothing is opened before that first call, because clients start servers only to look at them.
 */
export async function stdio(options: GlobalOptions): Promise<Exit> {
  const { settings } = configure(options);
  const tools = await offeredTools();
  const names = tools.map(({ name }) => name);
  for (const { policy } of clustersOf(settings)) checkPolicyOperations(policy, names);
  if (process.stdin.isTTY) note('Serving MCP on standard input, for an MCP client. `proxmox-mcp --help` shows the other commands.');
  let opened: Session | undefined;
  const session = lazy(async () => {
    opened = await openSession(options);
    return opened;
  });
  const engine = async () => (await session.get()).engine;
  // In the bundle, each import copies the names of its module.
  const finding = lazy(() => import('../../operations/find.ts'));
  const changes = createChangeFeed({ engine, guests: true });
  const factory = createServerFactory({
    engine,
    changes,
    tools,
    operation: async (name) => (await finding.get()).findOperation(name),
    settings,
    caller: ({ client, elicitation }) => localCaller('stdio', { canAsk: { elicitation, terminal: false }, ...defined({ client }) }),
    version: pkg.version,
    notices: () => opened?.notices() ?? [],
  });
  runStdio(factory, {
    onClose: async () => (await session.opened())?.close(),
    onError: (error) => noteFault('mcp', error),
    onIdle: () => void loadForCalls(),
    changes,
  });
  return 0;
}

/** Loads the code of the first call. Opens nothing. The call itself reports a part that cannot be loaded. */
async function loadForCalls(): Promise<void> {
  await import('../../mcp/call.ts');
  await import('../../mcp/elicitation.ts');
  await loadForSession().catch(() => {});
}
