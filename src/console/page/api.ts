import type { Problem } from '../wire.ts';

// Storage of this origin, port included; the cookie alone opens nothing.
const KEY = 'proxmox-mcp-console';

/** An error from the server; `offline` when no server answered. */
export class ApiError extends Error {
  readonly code: string;
  readonly hint: string;
  constructor({ code, message, hint }: Problem) {
    super(message);
    this.code = code;
    this.hint = hint;
  }
}

const OFFLINE: Problem = {
  code: 'offline',
  message: 'The console does not answer.',
  hint: 'Check that its server runs and can be reached. As far as this page knows, this request decided nothing.',
};

export function keepToken(token: string | undefined): void {
  if (token === undefined) localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, token);
}

export function request(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = { 'X-Console-Token': localStorage.getItem(KEY) ?? '', ...(init.headers as Record<string, string> | undefined) };
  return fetch(`./api/${path}`, { ...init, headers, credentials: 'same-origin', cache: 'no-store' });
}

export function get<T>(path: string): Promise<T> {
  return answer<T>(request(path));
}

export function post<T>(path: string, body: Record<string, string>): Promise<T> {
  return answer<T>(request(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) }));
}

async function answer<T>(sent: Promise<Response>): Promise<T> {
  const response = await sent.catch(() => {
    throw new ApiError(OFFLINE);
  });
  const body = (await response.json().catch(() => ({ error: OFFLINE }))) as T & { error?: Problem };
  if (!response.ok) throw new ApiError(body.error ?? OFFLINE);
  return body;
}

export function asApiError(thrown: unknown): ApiError {
  return thrown instanceof ApiError
    ? thrown
    : new ApiError({
        code: 'internal',
        message: 'The page has a fault.',
        hint: `Reload it. (${thrown instanceof Error ? thrown.message : 'unknown'})`,
      });
}
