import { fail } from '../../core/errors.ts';
import { MIN_PASSPHRASE_LENGTH } from '../../core/passphrase.ts';
import { hasPassphrase, isApprover, setPassphrase } from '../../engine/approvals/passphrase.ts';
import { configure, type GlobalOptions } from '../lib/options.ts';
import { type Exit, note, print } from '../lib/output.ts';
import { askHidden, hasTerminal } from '../lib/terminal.ts';

/** `approvals passphrase`: from now on every decision on this machine asks for it. Changing it needs the old one. */
export async function passphrase(options: GlobalOptions): Promise<Exit> {
  if (!hasTerminal())
    fail('approval_needs_human', 'A passphrase is set by a human: it needs a terminal.', {
      hint: 'Run the command yourself in a terminal.',
    });
  const { dataDir } = configure(options).settings;
  if (hasPassphrase(dataDir) && !(await isApprover(dataDir, await askHidden('old passphrase: '))))
    fail('approval_not_confirmed', 'That is not the passphrase; nothing was changed.');
  const first = await askHidden(`new passphrase (at least ${MIN_PASSPHRASE_LENGTH} characters): `);
  if (first.length < MIN_PASSPHRASE_LENGTH) fail('invalid_arguments', 'Too short; nothing was changed.');
  if ((await askHidden('the same again: ')) !== first) fail('invalid_arguments', 'The two differ; nothing was changed.');
  await setPassphrase(dataDir, first);
  note('Keep it where no agent can read it: whoever knows it and has a terminal can decide.');
  print('The passphrase is set.');
  return 0;
}
