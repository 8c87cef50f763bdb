import type { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { McpServer, McpServerFactory, Server } from '@modelcontextprotocol/server';
import { StdioServerTransport, serveStdio } from '@modelcontextprotocol/server/stdio';
import type { ChangeFeed } from './resources/changes.ts';

/** How long (ms) `onClose` may take before the process ends regardless. The next process reconciles unfinished runs. */
const CLOSE_LIMIT_MS = 1000;
/** How long (ms) a client must be silent to count as idle: one that only lists the tools has left by then. */
const IDLE_MS = 250;
/** How long (ms) calls are still answered after stdin has ended; both SDK clients give up after 60 s. */
const ANSWER_LIMIT_MS = 55_000;

interface Hooks {
  /** Closes what was opened (the engine), if anything was. */
  onClose: () => Promise<void>;
  /** Gets messages that could not be read or sent. It must not write to stdout, which belongs to the protocol. */
  onError: (error: Error) => void;
  /** Called once, when every request is answered and the client has been silent for a moment. */
  onIdle: () => void;
  /** Listened to once the client asks for changes. */
  changes: ChangeFeed;
}

/**
 * Serves MCP on stdin and stdout. When stdin ends, the calls in progress are answered first (`printf … | proxmox-mcp stdio` shows their
 * answers); SIGINT, SIGTERM and SIGHUP end at once. The process exits with 0, or with 1 when the connection broke on what the client sent.
 */
export function runStdio(factory: McpServerFactory, { onClose, onError, onIdle, changes }: Hooks): void {
  // The SDK drops what is in progress when its input ends, so it does not learn of the end.
  const transport = new StdioServerTransport(withoutEnd(process.stdin), process.stdout);
  let fault: NodeJS.ErrnoException | undefined;
  let server: McpServer | Server | undefined;
  const remembered: McpServerFactory = async (context) => {
    const made = await factory(context);
    server = made;
    return made;
  };
  const handle = serveStdio(remembered, {
    transport,
    onerror: (error) => {
      fault = error;
      onError(error);
    },
  });
  const { unanswered, whenAnswered } = follow(transport, onIdle);
  // From 2026-07-28 on a client opens a stream; the SDK passes on what that stream asked for.
  const stream = streamOf(transport, () =>
    changes.listen((uri) => void (server && 'server' in server ? server.server : server)?.sendResourceUpdated({ uri }).catch(() => {})),
  );
  let ending = false;
  const end = (exitCode = 0): void => {
    if (ending) return;
    ending = true;
    // An open socket or timer would keep the process alive after its client has left.
    setTimeout(() => process.exit(exitCode), CLOSE_LIMIT_MS);
    stream.end();
    void Promise.allSettled([handle.close(), onClose()]).then(() => process.exit(exitCode));
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => end());
  const closed = transport.onclose;
  transport.onclose = () => {
    closed?.();
    // The client caused it: a message above the SDK's limit, or a client that is gone in the middle of an answer.
    end(fault && fault.code !== 'EPIPE' ? 1 : 0);
  };
  const inputEnded = async (): Promise<void> => {
    await nextTurn();
    if (unanswered() === 0) return end();
    setTimeout(() => end(), ANSWER_LIMIT_MS);
    await whenAnswered();
    end();
  };
  process.stdin.once('end', inputEnded);
  process.stdin.once('close', inputEnded);
}

/** The same stream without events of its end. A stream in between would cost as much as reading a message. */
function withoutEnd(stream: Readable): Readable {
  const listens = (event: string | symbol) => event !== 'end' && event !== 'close';
  return Object.create(stream, {
    on: { value: (event: string, listener: () => void) => (listens(event) ? stream.on(event, listener) : stream) },
    off: { value: (event: string, listener: () => void) => stream.off(event, listener) },
    pause: { value: () => stream.pause() },
  }) as Readable;
}

/** Begins to listen when the client opens its first stream of changes. */
function streamOf(transport: StdioServerTransport, listen: () => () => void): { end(): void } {
  let stop: (() => void) | undefined;
  const receive = transport.onmessage;
  transport.onmessage = (message) => {
    if ('method' in message && message.method === 'subscriptions/listen') stop ??= listen();
    receive?.(message);
  };
  return { end: () => stop?.() };
}

/** Counts the requests that have no answer yet, on their way through the transport. */
function follow(transport: StdioServerTransport, onIdle: () => void): { unanswered: () => number; whenAnswered: () => Promise<void> } {
  const open = new Set<string | number>();
  let done = () => {};
  let silence: NodeJS.Timeout | undefined;
  let wasIdle = false;
  const listen = () => {
    clearTimeout(silence);
    if (wasIdle || open.size > 0) return;
    silence = setTimeout(() => {
      wasIdle = true;
      onIdle();
    }, IDLE_MS).unref();
  };
  const close = (id: string | number) => {
    open.delete(id);
    if (open.size === 0) done();
    listen();
  };
  const receive = transport.onmessage;
  transport.onmessage = (message) => {
    if ('method' in message) {
      if ('id' in message) open.add(message.id);
      // A cancelled call gets no answer.
      else if (message.method === 'notifications/cancelled') close((message.params as { requestId: string | number }).requestId);
    }
    listen();
    receive?.(message);
  };
  const send = transport.send.bind(transport);
  transport.send = async (message) => {
    await send(message);
    if (!('method' in message) && message.id !== undefined) close(message.id);
  };
  return { unanswered: () => open.size, whenAnswered: () => new Promise((resolve) => (done = resolve)) };
}
