import { fail } from '../../core/errors/errors.ts';

const KEY = /(?:^|\s)((?:sk-)?(?:ssh|ecdsa)-[a-z0-9@.-]+)\s+([A-Za-z0-9+/]+={0,2})(?=\s|$)/;

/**
 * The value of a VM's `sshkeys`: percent-encoded by itself, before the form encodes it again. Empty lines and CRLF are fine.
 * Throws `invalid_arguments` naming the line that is not a public key: Proxmox rejects all of them for one comment line.
 */
export function encodeSshKeys(keys: string): string {
  const lines = keys.split('\n').map((line) => line.trim());
  lines.forEach((line, index) => {
    if (/^-----BEGIN .*PRIVATE KEY-----/.test(line)) {
      fail('invalid_arguments', `Line ${index + 1} of the SSH keys begins a private key. It was not sent.`, {
        hint: 'Pass the public key, which is in the file that ends in .pub. Tell the user to replace this key, because it left its owner.',
      });
    }
    if (line !== '' && !isKey(line)) {
      fail('invalid_arguments', `Line ${index + 1} of the SSH keys is not a public key.`, {
        hint: 'Pass public keys in OpenSSH form, one per line and without comment lines, for example "ssh-ed25519 AAAA… me@host".',
      });
    }
  });
  const given = lines.filter((line) => line !== '');
  if (given.length === 0)
    fail('invalid_arguments', 'The SSH keys are empty.', { hint: 'Pass public keys, one per line, or leave sshkeys out.' });
  return encodeURIComponent(given.join('\n'));
}

/** The blob is a row of length-prefixed fields, of which the first repeats the type: the check that ssh-keygen makes. */
function isKey(line: string): boolean {
  const [, type = '', base64 = ''] = (line.startsWith('#') ? null : KEY.exec(line)) ?? [];
  const blob = Buffer.from(base64, 'base64');
  let at = 0;
  let fields = 0;
  while (at + 4 <= blob.length) {
    const length = blob.readUInt32BE(at);
    if (fields === 0 && blob.toString('latin1', 4, 4 + length) !== type) return false;
    at += 4 + length;
    fields++;
  }
  return type !== '' && fields >= 2 && at === blob.length;
}
