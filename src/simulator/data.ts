import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Reads a file of the data folder, which lies beside the source and beside (or one above) the shipped chunk. */
export function readData(name: string): string {
  const places = [new URL(`./data/${name}`, import.meta.url), new URL(`../data/${name}`, import.meta.url)];
  const found = places.find((place) => existsSync(place)) ?? places[0];
  return readFileSync(fileURLToPath(found as URL), 'utf8');
}

/** PEM of a leaf, its key and its authority, and the SHA-256 of the leaf. */
interface Certificates {
  ca: string;
  cert: string;
  key: string;
  fingerprint: string;
}

const certificates = new Map<string, Certificates>();

export function certificatesOf(name: 'demo' | 'second'): Certificates {
  const known = certificates.get(name);
  if (known) return known;
  const cert = readData(`${name}-cert.pem`);
  const { fingerprint256: fingerprint } = new X509Certificate(cert);
  const made = { ca: readData(`${name}-ca.pem`), cert, key: readData(`${name}-key.pem`), fingerprint };
  certificates.set(name, made);
  return made;
}
