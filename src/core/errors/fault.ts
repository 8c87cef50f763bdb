/** Why a request to another machine failed, without its address: that may hold a secret. */
export function faultOf(error: unknown): string {
  const { name, code, message, cause } = error as NodeJS.ErrnoException;
  if (name === 'TimeoutError' || name === 'AbortError') return 'no answer in time';
  const { code: reason = code, message: why = message } = (cause ?? {}) as NodeJS.ErrnoException;
  if (typeof reason === 'string') return reason;
  return /^(it answered \d+|unexpected redirect|bad port)$/.test(why) ? why : name;
}
