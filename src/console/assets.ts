import { existsSync, readFileSync } from 'node:fs';
import { fail } from '../core/errors/errors.ts';

/** The files of the page. No other file is served. */
const FILES = {
  'index.html': 'text/html; charset=utf-8',
  'app.js': 'text/javascript; charset=utf-8',
  'app.css': 'text/css; charset=utf-8',
  'icon.svg': 'image/svg+xml',
} as const;

export type Assets = Record<keyof typeof FILES, { body: string; type: string }>;

/** Reads the built page; it is beside the bundle, or in dist/ when this runs from source. */
export function loadAssets(): Assets {
  const folder = ['./console/', '../../dist/console/']
    .map((path) => new URL(path, import.meta.url))
    .find((url) => existsSync(new URL('app.js', url)));
  if (folder === undefined) fail('internal', 'The files of the console are missing.', { hint: 'Run npm run build.' });
  return Object.fromEntries(
    Object.entries(FILES).map(([name, type]) => [name, { body: readFileSync(new URL(name, folder), 'utf8'), type }]),
  ) as Assets;
}
