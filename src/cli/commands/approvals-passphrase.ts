import { fail } from '../../core/errors/errors.ts';
import { MIN_PASSPHRASE_LENGTH } from '../../core/people/passphrase.ts';
import { hasPassphrase, isApprover, setPassphrase } from '../../engine/approvals/passphrase.ts';
import { configure, type GlobalOptions } from '../lib/options.ts';
import { type Exit, note, print } from '../terminal/output.ts';
import { askHidden, needTerminal } from '../terminal/terminal.ts';

/** `approvals passphrase`: from now on every decision on this machine asks for it. Changing it needs the old one. */
export async function passphrase(options: GlobalOptions): Promise<Exit> {
  needTerminal('Only a human can set a passphrase, in a terminal.');
  const { dataDir } = configure(options).settings;
  if (hasPassphrase(dataDir) && !(await isApprover(dataDir, await askHidden('old passphrase: '))))
    fail('approval_not_confirmed', 'Wrong passphrase. Nothing was changed.');
  const first = await askHidden(`new passphrase (at least ${MIN_PASSPHRASE_LENGTH} characters): `);
  if (first.length < MIN_PASSPHRASE_LENGTH)
    fail('invalid_arguments', `The passphrase needs at least ${MIN_PASSPHRASE_LENGTH} characters. Nothing was changed.`);
  if ((await askHidden('repeat the passphrase: ')) !== first) fail('invalid_arguments', 'The two entries differ. Nothing was changed.');
  await setPassphrase(dataDir, first);
  note('Keep it where agents cannot read it. A program with this passphrase and a terminal can decide.');
  print('The passphrase is set.');
  return 0;
}
