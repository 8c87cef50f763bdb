import { maskSecrets, plainText, withoutCommand } from '../../../core/text/text.ts';
import type { Ports } from '../../ports.ts';

/** The last lines of a task's log, harmless and without what looks like a secret. */
export async function logOf(upid: string, ports: Ports, lines: number): Promise<string[]> {
  const log = await ports.cluster.api.taskLog(upid, lines);
  return log.map((line) => maskSecrets(plainText(withoutCommand(line), 300)));
}
