import { asError, type ProxmoxMcpError } from '../../core/errors/errors.ts';
import { plainText, visibleJson } from '../../core/text/text.ts';
import { renderError } from '../../render/result.ts';

/** How a command writes its result. */
export interface OutputOptions {
  /** Absent: tables on a terminal, JSON elsewhere. */
  output?: 'json' | 'table';
  quiet?: true;
}

/** The options of the one command that this process runs. */
let chosen: OutputOptions = {};

export function chooseOutput({ output, quiet }: OutputOptions): void {
  chosen = { ...(output ? { output } : {}), ...(quiet ? { quiet } : {}) };
}

/** Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 approval required. */
export type Exit = 0 | 1 | 2 | 3;

/**
 * The reader of this process may close the pipe (`… | head -1`, EPIPE), and the disk below a file may be full: the output is lost then, the work
 * continues. Without this, Node would end it in the middle of a change. A result that is lost unasked ends with 1.
 */
export function outliveReaders(): void {
  process.stderr.on('error', () => {});
  let isLost = false;
  process.stdout.on('error', ({ code = 'unknown error' }: NodeJS.ErrnoException) => {
    if (code === 'EPIPE' || isLost) return;
    isLost = true;
    tell(`error: the result cannot be written (${code}) and is lost. The command continues. \`proxmox-mcp audit tail\` shows what it did.`);
  });
  process.once('exit', () => {
    if (isLost && !process.exitCode) process.exitCode = 1;
  });
}

/** A result, for programs: JSON on stdout, nothing else. */
export function printJson(value: unknown): void {
  process.stdout.write(`${visibleJson(value, 2)}\n`);
}

/** A result, for people. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** A result for either reader. @param value for programs */
export function printResult(value: unknown, text: string): void {
  if (isForPeople()) print(text);
  else printJson(value);
}

/** A list for either reader. @param value for programs @param none for people, in place of an empty table */
export async function printRows(value: unknown, head: string[], rows: unknown[][], none?: string): Promise<void> {
  if (!isForPeople()) return printJson(value);
  const { table } = await import('./table.ts');
  print(rows.length === 0 && none !== undefined ? none : table(head, rows));
}

/** Something beside the result, which --quiet leaves out. On stderr, because stdout belongs to the result. */
export function note(text: string): void {
  if (!isQuiet()) tell(text);
}

/** A fault that ends nothing. Its message may quote what a caller sent, which is neither an escape nor a line of ours. */
export function noteFault(part: string, { message }: Error): void {
  note(`${part}: ${plainText(message, 300)}`);
}

/** Questions, links and errors, which a person must read to act. On stderr, --quiet or not. */
export function tell(text: string): void {
  process.stderr.write(`${text}\n`);
}

export function isQuiet(): boolean {
  return chosen.quiet === true;
}

/** Whether the caller wrote `--output json`. A key, for example, is text in a pipe, and part of a JSON document then. */
export function wantsJson(): boolean {
  return chosen.output === 'json';
}

/** Whether people read the result: then tables, otherwise JSON. */
export function isForPeople(): boolean {
  return chosen.output === undefined ? process.stdout.isTTY === true : chosen.output === 'table';
}

/**
 * Says once what went wrong, who acts and what is next: to programs as `{error: …}` on stdout, to people on stderr. Where people see stderr
 * and a program reads stdout, each gets its own. Returns the exit code.
 * @param json the command's result is JSON for programs
 */
export function reportError(thrown: unknown, { json = false } = {}): Exit {
  const error = asError(thrown);
  const forProgram = chosen.output === 'json' || (json && !isForPeople());
  if (forProgram) printJson(renderError(error).structured);
  if (!forProgram || process.stderr.isTTY) tellError(error);
  if (error.code === 'internal' && error.cause instanceof Error && process.env.PROXMOX_LOG_LEVEL === 'debug')
    tell(String(error.cause.stack));
  return error.exit;
}

function tellError(error: ProxmoxMcpError): void {
  tell(`error (${error.code}): ${harmless(error.message)}`);
  const proxmox = error.details?.proxmox;
  if (proxmox !== undefined) tell(`Proxmox says: ${harmless(typeof proxmox === 'string' ? proxmox : JSON.stringify(proxmox))}`);
  tell(`next: ${harmless(error.hint)}`);
}

/** Errors quote names and words of guests, agents and Proxmox: on a terminal they are neither escapes nor lines of ours. */
function harmless(text: string): string {
  return text
    .split('\n')
    .map((line) => plainText(line, 2000))
    .join('\n  ');
}
