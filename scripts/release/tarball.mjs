import { gunzipSync } from 'node:zlib';

/** The files of a tarball that npm packed, as a map from path to bytes. npm writes plain headers and no links. */
export function filesOf(gzipped) {
  const tar = gunzipSync(gzipped);
  const text = (from, length) => tar.toString('utf8', from, from + length).replace(/\0.*$/s, '');
  const files = new Map();
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0; ) {
    const size = Number.parseInt(text(at + 124, 12), 8);
    const prefix = text(at + 345, 155);
    const path = `${prefix === '' ? '' : `${prefix}/`}${text(at, 100)}`;
    if (text(at + 156, 1) === '0') files.set(path, tar.subarray(at + 512, at + 512 + size));
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return files;
}
