import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { refuse } from './errors.ts';
import type { Site } from './model.ts';
import type { World } from './world.ts';

const hostOf = (url: string): string => /^https?:\/\/(?:[^@/]*@)?(\[[^\]]+\]|[^/:?#]+)/.exec(url)?.[1] ?? '';

const portOf = (url: string): string =>
  /^https?:\/\/(?:[^@/]*@)?(?:\[[^\]]+\]|[^/:?#]+):(\d+)/.exec(url)?.[1] ?? (url.startsWith('https:') ? '443' : '80');

/** A checksum of the file, as its publisher tells it. */
export const sumOf = (site: Site, algorithm: string): string =>
  site.sums?.[algorithm] ?? createHash(algorithm).update(site.url).digest('hex');

function isHostKnown(world: World, url: string): boolean {
  const host = hostOf(url);
  return [...world.all('site').keys()].some((known) => hostOf(known) === host);
}

/** The file behind a URL, for the head request of a node. @throws ApiError in the words of its HTTP library */
export function look(world: World, url: string): Site {
  const site = world.get('site', url);
  if (site) return site;
  if (isHostKnown(world, url)) refuse("invalid server response: '404 File not found'");
  const host = hostOf(url);
  const [why, port] = isIP(host) ? ['Connection refused', portOf(url)] : ['Name or service not known', portOf(url)];
  const place = port === '80' ? host : `${host}:${port}`;
  return refuse(`invalid server response: '500 Can't connect to ${place} (${why})'`);
}

const human = (bytes: number): string => (bytes >= 1024 ** 2 ? `${Math.round(bytes / 1024 ** 2)}M` : `${Math.round(bytes / 1024)}K`);

/** The download of a file, with the lines of wget in the log. @throws Error with the exit status of the task */
export function fetchFile(world: World, url: string, to: { path: string; pid: number; at: number; log: (line: string) => void }): Site {
  const { path, pid, at, log } = to;
  const moment = new Date(at).toISOString().replace('T', ' ').slice(0, 19);
  const host = hostOf(url);
  const place = portOf(url) === '80' || url.startsWith('https:') ? host : `${host}:${portOf(url)}`;
  log(`--${moment}--  ${url}`);
  const site = world.get('site', url);
  if (!site && !isHostKnown(world, url)) {
    if (isIP(host)) refuse(`download failed: Connecting to ${place}... failed: Connection refused.`);
    log(`Resolving ${host} (${host})... failed: Name or service not known.`);
    refuse('download failed: exit code 4');
  }
  log(`Connecting to ${place}... connected.`);
  if (!site) {
    log('HTTP request sent, awaiting response... 404 File not found');
    log(`${moment} ERROR 404: File not found.`);
    refuse('download failed: exit code 8');
  }
  const temporary = `${path}.tmp_dwnl.${pid}`;
  log('HTTP request sent, awaiting response... 200 OK');
  log(`Length: ${site.size} (${human(site.size)}) [${site.mimetype}]`);
  log(`Saving to: '${temporary}'`);
  log('     0K                                    100%  500M=0s');
  log(`${moment} (500 MB/s) - '${temporary}' saved [${site.size}/${site.size}]`);
  return site;
}
