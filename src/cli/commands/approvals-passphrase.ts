import { setPassphrase } from '../../engine/approvals/passphrase.ts';
import { checkPassphrase, newPassphrase } from '../lib/operator.ts';
import { configure, type GlobalOptions } from '../lib/options.ts';
import { type Exit, note, print } from '../terminal/output.ts';
import { needTerminal } from '../terminal/terminal.ts';

/** `approvals passphrase`: from now on every decision on this machine asks for it. Changing it needs the old one. */
export async function passphrase(options: GlobalOptions): Promise<Exit> {
  needTerminal('Only a human can set a passphrase, in a terminal.');
  const { dataDir } = configure(options).settings;
  await checkPassphrase(dataDir, 'old passphrase: ');
  await setPassphrase(dataDir, await newPassphrase('new passphrase'));
  note('Keep it where agents cannot read it. A program with this passphrase and a terminal can decide.');
  print('The passphrase is set.');
  return 0;
}
