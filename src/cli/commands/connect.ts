import { readFileSync, statSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { type JSONRPCMessage, SdkHttpError, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { fail } from '../../core/errors/errors.ts';
import { isThisMachine } from '../../core/network.ts';
import { fetchThatNotices } from '../lib/connect-stream.ts';
import { type Exit, note } from '../terminal/output.ts';

const PROTOCOL_VERSION = 'io.modelcontextprotocol/protocolVersion';
const REINITIALIZE = 'proxmox-mcp connect: again';
/** An error code outside of those that JSON-RPC and MCP reserve. */
const NOT_DELIVERED = -31_000;
const CLOSE_MS = 1_000;

interface Message {
  id?: string | number;
  method?: string;
  params?: { requestId?: string | number; _meta?: Record<string, unknown> };
  result?: { protocolVersion?: string };
}

interface Running {
  /** Cancels a request of 2026-07-28. */
  gone: AbortController | undefined;
  /** It changes nothing, and lasts until the server ends it. */
  isStream: boolean;
}

/**
 * `connect`: a stdio proxy of a remote server, for clients that only start programs. It passes messages on as they are, in both
 * generations of the protocol. It holds an access token of that server, and no secret of Proxmox.
 */
export async function connect(address: string, options: { tokenFile?: string }): Promise<Exit> {
  const url = serverUrl(address);
  const token = readToken(options.tokenFile);
  /** Requests that wait for an answer. */
  const running = new Map<string | number, Running>();
  const transport = new StreamableHTTPClientTransport(url, {
    requestInit: { headers: { Authorization: `Bearer ${token}` } },
    fetch: fetchThatNotices((id) => {
      if (id === REINITIALIZE) onReinitialized();
      else {
        const over = running.get(id);
        if (running.delete(id)) refuse(id, over?.isStream ? streamEnded(url) : lost(url, 'cut'));
      }
    }),
  });
  let handshake: Message | undefined;
  let reconnecting: Promise<void> | undefined;
  let onReinitialized: () => void = () => {};

  const write = (message: unknown) => process.stdout.write(`${JSON.stringify(message)}\n`);
  const refuse = (id: string | number, message: string) => write({ jsonrpc: '2.0', id, error: { code: NOT_DELIVERED, message } });
  transport.onmessage = (received) => {
    const message = received as Message;
    if (message.id !== undefined && message.method === undefined) running.delete(message.id);
    const isHandshake = message.id !== undefined && (message.id === handshake?.id || message.id === REINITIALIZE);
    if (isHandshake && message.result?.protocolVersion) transport.setProtocolVersion(message.result.protocolVersion);
    if (message.id === REINITIALIZE) onReinitialized();
    else write(received);
  };
  transport.onerror = () => {};
  await transport.start();

  /** The server no longer knows the session (it was restarted, or is another one): begins a new one, unseen by the client. */
  function reconnect(): Promise<void> {
    reconnecting ??= (async () => {
      const answered = new Promise<void>((resolve) => (onReinitialized = resolve));
      await transport.send({ ...handshake, id: REINITIALIZE } as JSONRPCMessage);
      await answered;
      await transport.send({ jsonrpc: '2.0', method: 'notifications/initialized' });
    })().finally(() => {
      reconnecting = undefined;
    });
    return reconnecting;
  }

  async function forward(message: Message): Promise<void> {
    const isModern = message.params?._meta?.[PROTOCOL_VERSION] !== undefined;
    if (message.method === 'initialize') handshake = message;
    if (message.method === 'notifications/cancelled' && message.params?.requestId !== undefined) {
      const request = running.get(message.params.requestId);
      // The client no longer waits. In 2026-07-28 a closed connection cancels. In a session this message does, which goes on to the server.
      running.delete(message.params.requestId);
      if (request?.gone !== undefined) return request.gone.abort();
    }
    const gone = isModern ? new AbortController() : undefined;
    const request = message.method === undefined ? undefined : message.id;
    if (request !== undefined) running.set(request, { gone, isStream: message.method === 'subscriptions/listen' });
    const send = () => transport.send(message as JSONRPCMessage, gone ? { requestSignal: gone.signal } : {});
    try {
      await send().catch(async (error: unknown) => {
        if (!(error instanceof SdkHttpError) || error.data.status !== 404 || handshake === undefined || message === handshake) throw error;
        await reconnect();
        await send();
      });
    } catch (error) {
      if (request !== undefined && running.delete(request)) refuse(request, explain(error, url));
    }
  }

  for await (const line of createInterface({ input: process.stdin })) {
    if (line.trim() === '') continue;
    const message = parse(line);
    if (message) void forward(message);
    else write({ jsonrpc: '2.0', id: null, error: { code: -32700, message: 'Parse error' } });
  }
  const timer = setTimeout(() => process.exit(0), CLOSE_MS);
  await transport.terminateSession().catch(() => {});
  await transport.close();
  clearTimeout(timer);
  return 0;
}

function parse(line: string): Message | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Message) : undefined;
  } catch {
    return undefined;
  }
}

function streamEnded({ origin }: URL): string {
  return `The stream of changes from ${origin} ended. Subscribe again to hear of later ones.`;
}

function lost({ origin }: URL, why: string): string {
  return `The connection to ${origin} was lost (${why}). It is unknown whether the call was executed. Look with get_task or get_vm before repeating a change.`;
}

/** The fault, the next step, and whether the call may be repeated. */
function explain(error: unknown, url: URL): string {
  const where = url.origin;
  if (!(error instanceof SdkHttpError)) {
    const { code = '', message } = (error as { cause?: { code?: string; message?: string } }).cause ?? {};
    if (['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'].includes(code))
      return `${where} cannot be reached (${code}). Nothing was sent; it is safe to repeat.`;
    // `fetch` opens none to the ports of some other protocols, such as 6000 (X11).
    if (message === 'bad port')
      return `${where} cannot be reached: the port belongs to another protocol. Nothing was sent. Ask the operator to serve on another port.`;
    if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG')
      return `${where} does not speak HTTPS on this port. Nothing was sent. Ask the user to correct the address.`;
    if (/CERT|SIGNATURE|^ERR_(TLS|SSL)/.test(code))
      return `The certificate of ${where} is not accepted (${code}). Nothing was sent. Ask the user to name its authority in NODE_EXTRA_CA_CERTS, or to check which server answers there.`;
    return lost(url, code || 'cut');
  }
  const { status = 0 } = error.data;
  if (status === 401)
    return `${where} does not accept the access token (401). Nothing was done. Ask the operator of the server for a valid one.`;
  if (status === 403) return `${where} does not allow this to the access token (403). Nothing was done.`;
  if (status === 404) return `${where} has no MCP endpoint at ${url.pathname} (404). Nothing was done. Its path usually is /mcp.`;
  if (status === 429) return `Too many requests (429). Nothing was done. Try again in a minute.`;
  if (status === 503) return `${where} is starting or ending (503). Nothing was done; it is safe to repeat.`;
  if (status >= 502)
    return `${where} did not answer through its proxy (${status}). Look with get_task or get_vm before repeating a change.`;
  return `${where} answered ${status}.`;
}

/** @throws invalid_arguments for plain HTTP to another machine: others on the network could read the token */
function serverUrl(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : fail('invalid_arguments', 'The address of the server must be an https:// URL.');
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isThisMachine(url.hostname)))
    fail(
      'invalid_arguments',
      'The address must begin with https:// (http:// only for this machine), because it receives the access token.',
    );
  if (url.pathname === '/') url.pathname = '/mcp';
  return url;
}

function readToken(file: string | undefined): string {
  const hint = 'Set PROXMOX_MCP_TOKEN, or name a file with --token-file.';
  if (file === undefined) {
    return process.env.PROXMOX_MCP_TOKEN?.trim() || fail('missing_credentials', 'The access token for the server is missing.', { hint });
  }
  try {
    if ((statSync(file).mode & 0o077) !== 0) note(`Other users can read ${file}. Run: chmod 600 ${file}`);
    return readFileSync(file, 'utf8').trim() || fail('missing_credentials', `${file} is empty.`, { hint });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === undefined || !code.startsWith('E')) throw cause;
    return fail('missing_credentials', `${file} cannot be read (${code}).`, { hint, cause });
  }
}
