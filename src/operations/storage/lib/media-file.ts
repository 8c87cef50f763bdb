import { fail } from '../../../core/errors/errors.ts';
import { plainText } from '../../../core/text/text.ts';

export const KINDS = ['iso', 'import', 'vztmpl'] as const;
export type Kind = (typeof KINDS)[number];

/** The names that Proxmox VE 9.2 takes for each kind of content. */
const ENDINGS: Record<Kind, { is: RegExp; words: string }> = {
  iso: { is: /.\.(iso|img)$/i, words: '.iso or .img' },
  import: { is: /.\.(qcow2|raw|vmdk|ova)$/, words: '.qcow2, .raw, .vmdk or .ova' },
  vztmpl: { is: /.\.tar(\.(gz|xz|zst|bz2))?$/i, words: '.tar.zst, .tar.xz, .tar.gz, .tar.bz2 or .tar (from 9.1)' },
};
/** Proxmox replaces other characters, and cuts everything before a slash. */
const PLAIN = /^[\w.-]{1,255}$/;

/**
 * The name under which a file is stored: the caller's, or the last part of the address. Most cloud images called .img are qcow2 files, and
 * Proxmox checks the format of an import.
 * @throws invalid_arguments
 */
export function fileNameFor(kind: Kind, url: URL, wanted: string | undefined): { name: string; choices: string[] } {
  const last = (url.pathname.split('/').at(-1) ?? '').replaceAll(/%[0-9a-f]{2}|[^\w.-]/gi, '_');
  const derived = kind === 'import' ? last.replace(/\.img$/i, '.qcow2') : last;
  const name = wanted ?? derived;
  const { is, words } = ENDINGS[kind];
  if (!PLAIN.test(name) || !is.test(name)) {
    const shown = plainText(name, 100);
    fail('invalid_arguments', `The file name "${shown}" does not fit content ${kind}, whose names end in ${words}.`, {
      hint: 'Give filename with letters, digits, dots, hyphens and underscores, or another content. Unpack compressed disk images elsewhere.',
    });
  }
  return { name, choices: wanted === undefined ? [`filename: ${name} (of the address)`] : [] };
}

/** Hexadecimal digits of a checksum, by algorithm: the length tells which. */
const ALGORITHMS: Record<number, string> = { 32: 'md5', 40: 'sha1', 56: 'sha224', 64: 'sha256', 96: 'sha384', 128: 'sha512' };
/** An attacker can create two files with the same sum. */
const BROKEN = ['md5', 'sha1'];

export type Checksum = NonNullable<ReturnType<typeof checksumOf>>;

/**
 * @returns `strong`: whether it proves the content even without TLS
 * @throws invalid_arguments
 */
export function checksumOf(text: string | undefined) {
  if (text === undefined) return undefined;
  const checksum = text.trim().toLowerCase();
  const algorithm = /^[0-9a-f]+$/.test(checksum) ? ALGORITHMS[checksum.length] : undefined;
  if (algorithm === undefined) {
    fail('invalid_arguments', 'checksum is not 32, 40, 56, 64, 96 or 128 hexadecimal digits (MD5 to SHA-512).');
  }
  return { checksum, algorithm, strong: !BROKEN.includes(algorithm) };
}
