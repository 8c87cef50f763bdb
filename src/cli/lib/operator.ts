import { fail } from '../../core/errors/errors.ts';
import type { Caller } from '../../core/people/caller.ts';
import { MIN_PASSPHRASE_LENGTH } from '../../core/people/passphrase.ts';
import { hasPassphrase, isApprover } from '../../engine/approvals/passphrase.ts';
import { askHidden, hasTerminal, piped } from '../terminal/terminal.ts';
import { localCaller } from './caller.ts';

/** The operator, who has a terminal. Without one these commands see and do no more than `call` does. */
export function operator(): Caller {
  const terminal = hasTerminal();
  return localCaller('cli', { isOperator: terminal, canAsk: { elicitation: false, terminal } });
}

/** @throws approval_not_confirmed where a passphrase is set and another one is typed */
export async function checkPassphrase(dataDir: string, prompt: string): Promise<void> {
  if (hasPassphrase(dataDir) && !(await isApprover(dataDir, await askHidden(prompt))))
    fail('approval_not_confirmed', 'The passphrase is wrong. Nothing was changed.');
}

/**
 * A new passphrase, typed twice in a terminal, or read from a pipe.
 * @throws invalid_arguments where it is too short, where it has several lines, which a person cannot type, or where the two entries differ
 */
export async function newPassphrase(what: string): Promise<string> {
  const typed = hasTerminal() ? await askHidden(`${what} (at least ${MIN_PASSPHRASE_LENGTH} characters): `) : await piped();
  if (typed.length < MIN_PASSPHRASE_LENGTH)
    fail('invalid_arguments', `The passphrase needs at least ${MIN_PASSPHRASE_LENGTH} characters. Nothing was changed.`);
  if (/[\r\n]/.test(typed))
    fail('invalid_arguments', 'The passphrase must be one line. Nothing was changed.', { hint: 'Pipe it once, without a repetition.' });
  if (hasTerminal() && (await askHidden('repeat the passphrase: ')) !== typed)
    fail('invalid_arguments', 'The two entries differ. Nothing was changed.');
  return typed;
}
