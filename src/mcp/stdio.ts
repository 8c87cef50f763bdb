import type { McpServerFactory } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';

/** How long (ms) `onClose` may take before the process ends regardless; what is unfinished is reconciled by the next process. */
const CLOSE_LIMIT_MS = 1000;

/**
 * Serves MCP on stdin and stdout until the client closes stdin or the process is told to end, then exits with 0.
 * @param onClose puts down what was opened (the engine), if anything was
 * @param onError hears about messages that could not be read or sent; must not write to stdout, which is the wire
 */
export function runStdio(factory: McpServerFactory, onClose: () => Promise<void>, onError: (error: Error) => void): void {
  const handle = serveStdio(factory, { onerror: onError });
  let ending = false;
  const end = (): void => {
    if (ending) return;
    ending = true;
    // An open socket or timer would keep the process alive after its client has left.
    setTimeout(() => process.exit(0), CLOSE_LIMIT_MS);
    void Promise.allSettled([handle.close(), onClose()]).then(() => process.exit(0));
  };
  process.once('SIGINT', end);
  process.once('SIGTERM', end);
  process.stdin.once('end', end);
  process.stdin.once('close', end);
  // The client is gone in the middle of an answer.
  process.stdout.once('error', end);
}
