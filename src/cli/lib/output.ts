import { asError } from '../../core/errors.ts';
import { plainText, visibleJson } from '../../core/text.ts';
import { renderError } from '../../render/result.ts';

/** Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 approval required. */
export type Exit = 0 | 1 | 2 | 3;

/**
 * The reader of this process may close the pipe (`… | head -1`, EPIPE): its output is lost then, its work continues. Without this, Node would end it in
 * the middle of a change.
 */
export function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
}

/** A result, for programs: JSON on stdout, nothing else. */
export function printJson(value: unknown): void {
  process.stdout.write(`${visibleJson(value, 2)}\n`);
}

/** A result, for people. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Something beside the result: always on stderr, because stdout belongs to the result. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Whether people read the result: then tables, otherwise JSON. */
export function isForPeople(): boolean {
  return process.stdout.isTTY === true;
}

/** Says what went wrong, who acts and what is next; with `json` also as `{error: …}` on stdout. Returns the exit code. */
export function reportError(thrown: unknown, { json = false } = {}): Exit {
  const error = asError(thrown);
  if (json) printJson(renderError(error).structured);
  note(`error (${error.code}): ${harmless(error.message)}`);
  const proxmox = error.details?.proxmox;
  if (proxmox !== undefined) note(`Proxmox says: ${harmless(typeof proxmox === 'string' ? proxmox : JSON.stringify(proxmox))}`);
  note(`next: ${harmless(error.hint)}`);
  if (error.code === 'internal' && error.cause instanceof Error && process.env.PROXMOX_LOG_LEVEL === 'debug')
    note(String(error.cause.stack));
  return error.exit;
}

/** Errors quote names and words of guests, agents and Proxmox: on a terminal they are neither escapes nor lines of ours. */
function harmless(text: string): string {
  return text
    .split('\n')
    .map((line) => plainText(line, 2000))
    .join('\n  ');
}
