import { defined } from '../../../core/defined.ts';
import type { Condition, Params, ParamValue, RequestStep, Step } from '../../../core/plan/plan.ts';
import { path } from '../../../proxmox/guest/encode.ts';
import { type GuestAt, guestPath } from '../../../proxmox/guest/guests.ts';
import { formatSizeGib } from '../../../proxmox/guest/property-strings.ts';

/** How long (s) a task may take before a run calls its outcome unknown. */
const CONFIG_SECONDS = 120;
const RESIZE_SECONDS = 600;
const START_SECONDS = 300;

interface GuestRequest extends Omit<RequestStep, 'kind' | 'method' | 'params' | 'task'> {
  /** Default: POST. */
  method?: RequestStep['method'];
  /** Below the path of the guest; empty: the guest itself. */
  path: string;
  params?: Params;
  /** Type of the worker task, which bears the VMID; absent for a request that answers at once. */
  task?: string;
  /** How long the task may take before a run calls its outcome unknown. */
  seconds?: number;
}

/** A request about a guest on its node. */
export function guestRequest(at: GuestAt, { method = 'POST', path, params = {}, task, seconds = 0, ...rest }: GuestRequest): RequestStep {
  return {
    ...{ kind: 'request', method, path: `${guestPath(at)}${path}`, params, ...rest },
    ...(task === undefined ? {} : { task: { type: task, id: String(at.vmid), node: at.node, timeoutSeconds: seconds } }),
  };
}

/** POST /nodes/{node}/qemu or …/lxc: creates or restores the guest there. */
export function createRequest(at: GuestAt, { params, ...rest }: Omit<GuestRequest, 'method' | 'path'>): RequestStep {
  const request = guestRequest(at, { ...rest, path: '', params: { vmid: at.vmid, ...params } });
  return { ...request, path: path`/nodes/${at.node}/${at.type}` };
}

/** The type of a task that Proxmox names alike for both kinds of guests: `qmstart`, `vzstart`. */
export function taskType({ type }: GuestAt, verb: string): string {
  return `${type === 'qemu' ? 'qm' : 'vz'}${verb}`;
}

interface ConfigChange {
  id: string;
  params: Params;
  /** Of the configuration that was read: Proxmox refuses a change of another one. Undefined where the answer has none. */
  digest: ParamValue | undefined;
  purpose: string;
  /** Absent where nothing of it can be read back. */
  proof?: Condition | undefined;
}

/** POST …/qemu/{vmid}/config, which is a task, or PUT …/lxc/{vmid}/config, which answers at once. */
export function configRequest(at: GuestAt, { params, digest, proof, ...rest }: ConfigChange): RequestStep {
  const common = { ...rest, path: '/config', params: { ...params, ...defined({ digest }) }, ...defined({ proof }) };
  if (at.type === 'lxc') return guestRequest(at, { ...common, method: 'PUT' });
  return guestRequest(at, { ...common, task: 'qmconfig', seconds: CONFIG_SECONDS, retryOnLock: true });
}

interface Resize extends Omit<ConfigChange, 'params'> {
  disk: string;
  gib: number;
}

/** PUT …/resize with the absolute size, so that a repeated request changes nothing. A disk never shrinks. */
export function resizeRequest(at: GuestAt, { disk, gib, digest, proof, ...rest }: Resize): RequestStep {
  const params = { disk, size: formatSizeGib(gib), ...defined({ digest }) };
  return guestRequest(at, {
    ...rest,
    method: 'PUT',
    path: '/resize',
    params,
    ...defined({ proof }),
    task: 'resize',
    seconds: RESIZE_SECONDS,
  });
}

/**
 * The steps that start a guest (POST …/status/start). A guest started within a second of its stop may stay locked for up to 30 s by the
 * node's own clean-up, which is why a lock timeout is retried.
 * @param name for the purpose, as humans read it
 * @param managed HA ends its task when the request is queued, so the state is waited for
 */
export function startSteps(at: GuestAt, name: string, { managed = false } = {}): Step[] {
  const running = { kind: 'guest', ...at, is: 'running' } as const;
  const task = managed ? 'hastart' : taskType(at, 'start');
  const start = guestRequest(at, {
    ...{ id: 'start', path: '/status/start', purpose: `start ${name}`, task, seconds: START_SECONDS },
    proof: running,
    retryOnLock: true,
  });
  if (!managed) return [start];
  const until = { id: 'running', until: running, timeoutSeconds: START_SECONDS };
  return [start, { kind: 'wait', ...until, purpose: 'the HA manager has started it' }];
}
