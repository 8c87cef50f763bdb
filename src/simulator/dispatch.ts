import { checkMethod, type Who } from './access/permissions.ts';
import { type Context, Kept, Wider } from './context.ts';
import { findMethod, type Method, type Params, validateParams } from './contract.ts';
import { ApiError, LockBusy } from './errors.ts';
import type { Fault } from './faults.ts';
import { KINDS, ROUTES } from './routes/index.ts';
import { advance } from './tasks.ts';
import type { World } from './world.ts';

export interface Call {
  method: string;
  /** Below /api2/json, still encoded. */
  path: string;
  params: Params;
  who: Who;
  fault: Fault | undefined;
  certificates: Context['certificates'];
}

export interface Answer {
  status: number;
  /** First line of the message; the reason phrase. */
  message: string;
  body: Record<string, unknown>;
  /** How late it comes (ms, not yet scaled). */
  after: number;
}

/** Lets the past happen, then answers one call. @throws LockBusy when it has to wait for a guest's lock file */
export function dispatch(world: World, call: Call): Answer {
  const at = world.now();
  world.refresh();
  try {
    const found = findMethod(call.method, call.path);
    if (!found) throw notImplemented(call);
    const { method, uri } = found;
    const params = withPath(call.params, uri);
    const work = () => {
      advance(world, KINDS, at);
      return answer(world, call, method, params, at);
    };
    const data = call.method === 'GET' && !world.isDue(at) ? answer(world, call, method, params, at) : world.write(work);
    if (data instanceof Kept) return refusal(data.error);
    const body = data instanceof Wider ? { data: data.data, ...data.beside } : { data: data ?? null };
    return { status: 200, message: 'OK', body, after: 0 };
  } catch (error) {
    if (error instanceof LockBusy) throw error;
    return refusal(error);
  }
}

const notImplemented = ({ method, path }: Call) => new ApiError(501, `Method '${method} ${decodeURI(path)}' not implemented`);

export function refusal(error: unknown): Answer {
  const { status, errors, after } = error instanceof ApiError ? error : { status: 500, errors: undefined, after: 0 };
  const text = (error as Error).message;
  return {
    status,
    message: text.split('\n')[0] ?? '',
    body: { data: null, message: status === 501 || text.endsWith('\n') ? text : `${text}\n`, ...(errors ? { errors } : {}) },
    after,
  };
}

function withPath(params: Params, uri: Record<string, string>): Params {
  for (const [name, value] of Object.entries(uri)) {
    if (params[name] !== undefined && params[name] !== value) {
      throw new ApiError(400, 'Parameter verification failed.', {
        [name]: 'duplicate parameter (already defined in URI) with conflicting values!',
      });
    }
  }
  return { ...params, ...uri };
}

function answer(world: World, call: Call, method: Method, params: Params, at: number): unknown {
  if (!method.allowsTokens)
    throw new ApiError(403, `Permission check failed (URI '${call.path}' not available with API token, need proper ticket.\n)`);
  checkMethod(world, call.who, method, params);
  if (method.proxyto === 'node') reachNode(world, String(params.node));
  const errors = validateParams(method, params);
  if (Object.keys(errors).length > 0) throw new ApiError(400, 'Parameter verification failed.', errors);
  const handler = ROUTES[`${call.method} ${method.path}`];
  if (!handler) throw notImplemented(call);
  return handler({ world, who: call.who, method, params, at, kinds: KINDS, fault: call.fault, certificates: call.certificates });
}

/** Any node answers for every other; an unknown name is a failed look-up, a node that is down does not answer. */
function reachNode(world: World, node: string): void {
  if (node === 'localhost') return;
  const known = world.get('node', node);
  if (!known)
    throw new ApiError(500, `hostname lookup '${node}' failed - failed to get address info for: ${node}: Name or service not known`);
  if (!known.online) throw new ApiError(595, 'No route to host');
}
