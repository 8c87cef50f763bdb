import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { appendFile, mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AnchorPlace } from '../core/settings/settings.ts';

/** Facility 13 (log audit), severity 6 (informational): RFC 5424, section 6.2.1. */
const PRIORITY = 13 * 8 + 6;
/** How long the system takes at most to report that no process listens on a port of this machine. */
const REFUSAL_MS = 50;

/** Sends one checkpoint to its place. Rejects when that failed, as far as the place can tell. */
export function sendCheckpoint(place: AnchorPlace, line: string, signal: AbortSignal): Promise<void> {
  if (place.kind === 'file') return appendTo(place.path, line);
  if (place.kind === 'syslog') return toSyslog(place.port, line);
  return postTo(place.url, line, signal);
}

/** The place without secrets: an address can hold one beyond its host. */
export function describePlace(place: AnchorPlace): string {
  if (place.kind === 'file') return place.path;
  return place.kind === 'syslog' ? `syslog on port ${place.port}` : new URL(place.url).host;
}

async function appendTo(path: string, line: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  // The line break comes first, so that a line torn by a crash does not take this one with it.
  await appendFile(path, `\n${line}\n`, { mode: 0o600, flush: true });
}

/** One RFC 5424 datagram (RFC 5426). UDP confirms nothing. Only a port without a listener is noticed. */
async function toSyslog(port: number, line: string): Promise<void> {
  const socket = createSocket('udp4');
  try {
    socket.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    const refused = once(socket, 'error').then(([error]) => Promise.reject(error));
    refused.catch(() => {});
    const header = `<${PRIORITY}>1 ${new Date().toISOString()} ${hostname() || '-'} proxmox-mcp ${process.pid} checkpoint - `;
    await new Promise<void>((resolve, reject) => socket.send(header + line, (error) => (error ? reject(error) : resolve())));
    await Promise.race([refused, sleep(REFUSAL_MS)]);
  } finally {
    socket.close();
  }
}

async function postTo(url: string, line: string, signal: AbortSignal): Promise<void> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: line,
    redirect: 'error',
    signal,
  });
  await answer.body?.cancel();
  if (!answer.ok) throw new Error(`it answered ${answer.status}`);
}
