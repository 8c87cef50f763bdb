import type { JsonObject } from '../text/json.ts';
import { ERRORS, type ErrorCode, type Who } from './catalogue.ts';

export { ERRORS, type ErrorCode, type Who } from './catalogue.ts';

interface ErrorExtras {
  /** Absent: that of the code. */
  hint?: string;
  details?: JsonObject;
  cause?: unknown;
}

/** The one error type. `message` and `details` are shown to agents and humans, so they never hold a secret. */
export class ProxmoxMcpError extends Error {
  readonly code: ErrorCode;
  readonly hint: string;
  /** Proxmox's own wording is kept here verbatim (`proxmox`), beside whatever helps: `candidates`, `differences`, `missing`. */
  readonly details: JsonObject | undefined;

  constructor(code: ErrorCode, message: string, options: ErrorExtras = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ProxmoxMcpError';
    this.code = code;
    this.hint = options.hint ?? ERRORS[code].hint;
    this.details = options.details;
  }

  get who(): Who {
    return ERRORS[this.code].who;
  }
  get exit(): 1 | 2 | 3 {
    return ERRORS[this.code].exit ?? 1;
  }
  /** The same error in other words. */
  with(words: { message?: string; hint?: string; details?: JsonObject }): ProxmoxMcpError {
    const { message = this.message, hint = this.hint, details = this.details } = words;
    return new ProxmoxMcpError(this.code, message, { hint, cause: this.cause, ...(details ? { details } : {}) });
  }
  /** The form in which MCP, the command line, runs and the audit carry it. */
  toJSON(): { code: ErrorCode; who: Who; message: string; hint: string; details?: JsonObject } {
    return { code: this.code, who: this.who, message: this.message, hint: this.hint, ...(this.details ? { details: this.details } : {}) };
  }
}

/** Throws an error of the catalogue. */
export function fail(code: ErrorCode, message: string, options?: ErrorExtras): never {
  throw new ProxmoxMcpError(code, message, options);
}

/** Anything thrown, as an error of the catalogue; a foreign error becomes `internal` without its text, which might hold a secret. */
export function asError(thrown: unknown): ProxmoxMcpError {
  if (thrown instanceof ProxmoxMcpError) return thrown;
  return new ProxmoxMcpError('internal', 'Something went wrong inside the server.', { cause: thrown });
}

/** The answer of a read, or something else where the token lacks the right to it. */
export function ifAllowed<T, O>(read: Promise<T>, otherwise: O): Promise<T | O> {
  return read.catch((thrown) => {
    if (asError(thrown).code === 'permission_denied') return otherwise;
    throw thrown;
  });
}
