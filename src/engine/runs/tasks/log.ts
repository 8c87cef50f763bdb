import type { ProxmoxApi } from '../../../core/proxmox.ts';
import { maskSecrets, plainText, withoutCommand } from '../../../core/text/text.ts';

/** The last lines of a task's log, harmless and without what looks like a secret. */
export async function logOf(upid: string, lines: number, api: Pick<ProxmoxApi, 'taskLog'>): Promise<string[]> {
  const log = await api.taskLog(upid, lines);
  return log.map((line) => maskSecrets(plainText(withoutCommand(line), 300)));
}
