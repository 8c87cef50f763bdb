import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Reads a file of the data folder, which lies beside the source and beside (or one above) the shipped chunk. */
export function readData(name: string): string {
  const places = [new URL(`./data/${name}`, import.meta.url), new URL(`../data/${name}`, import.meta.url)];
  const found = places.find((place) => existsSync(place)) ?? places[0];
  return readFileSync(fileURLToPath(found as URL), 'utf8');
}
