import type { ClientRequestArgs, IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { TrustedConnector } from '../trust/tls.ts';
import { headerOf } from './answer.ts';

/** Proxmox closes idle connections after 5 s; a request on a closing one would be lost. */
const IDLE_MS = 4000;

/** As `createConnection` of node:https: answers an open connection, or hands a new one over later. */
type Connect = (to: ClientRequestArgs, made: (error: Error | null, socket: TLSSocket) => void) => TLSSocket | undefined;

export interface Connections {
  /** An idle connection where there is one, which is kept afterwards. */
  kept: Connect;
  /** A new connection, which ends with its request. */
  fresh: Connect;
  /** A proxy may state in its answer that it closes idle connections sooner. */
  heed(answer: IncomingMessage): void;
  close(): void;
}

/**
 * The connections of one client. Node's own agent costs a quarter of a small GET: it copies all options for each request, and sets the
 * system's options of the socket again after each answer. How many connections there are is the transport's to limit.
 */
export function createConnections(connector: TrustedConnector): Connections {
  /** By address, those used last at the end; with the time (performance.now) until which each may be used. */
  const idle = new Map<string, { socket: TLSSocket; until: number }[]>();
  const open = new Set<TLSSocket>();
  const lives = new WeakMap<object, number>();
  let sweeping: NodeJS.Timeout | undefined;

  const fresh: Connect = ({ host, port }, made) => {
    connector.connect({ host: String(host), port: Number(port) }).then(
      (socket) => {
        open.add(socket);
        socket.once('close', () => open.delete(socket));
        // An idle connection has no request to report its end to.
        socket.on('error', () => {});
        made(null, socket);
      },
      (error) => made(error, undefined as never),
    );
    return undefined;
  };

  const kept: Connect = (to, made) => {
    const key = `${to.host}:${to.port}`;
    const waiting = idle.get(key);
    for (let one = waiting?.pop(); one; one = waiting?.pop()) {
      if (isUsable(one.socket) && performance.now() < one.until) return one.socket.ref();
      one.socket.destroy();
    }
    return fresh(to, (error, socket) => {
      // Node says so once the answer is read to its end and nothing of the request is left.
      if (!error) socket.setKeepAlive(true, 1000).on('free', () => keep(key, socket));
      made(error, socket);
    });
  };

  function keep(key: string, socket: TLSSocket): void {
    if (!isUsable(socket)) return void socket.destroy();
    const until = performance.now() + (lives.get(socket) ?? IDLE_MS);
    const waiting = idle.get(key) ?? [];
    // Two requests on one connection would get each other's answers.
    if (waiting.some((one) => one.socket === socket)) return void socket.destroy();
    idle.set(key, waiting);
    waiting.push({ socket: socket.unref(), until });
    sweeping ??= setTimeout(sweep, IDLE_MS).unref();
  }

  /** Ends those whose time is over. */
  function sweep(): void {
    sweeping = undefined;
    for (const [key, waiting] of idle) {
      const young = waiting.filter(({ socket, until }) => isUsable(socket) && performance.now() < until);
      for (const one of waiting) if (!young.includes(one)) one.socket.destroy();
      if (young.length > 0) idle.set(key, young);
      else idle.delete(key);
    }
    if (idle.size > 0) sweeping = setTimeout(sweep, IDLE_MS / 4).unref();
  }

  return {
    kept,
    fresh,
    heed(answer) {
      const seconds = /timeout=(\d+)/.exec(headerOf(answer, 'keep-alive') ?? '')?.[1];
      if (seconds !== undefined) lives.set(answer.socket, Math.min(IDLE_MS, 1000 * (Number(seconds) - 1)));
    },
    close() {
      clearTimeout(sweeping);
      for (const socket of open) socket.destroy();
    },
  };
}

function isUsable({ destroyed, writable }: TLSSocket): boolean {
  return !destroyed && writable;
}
