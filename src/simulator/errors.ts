/** A refusal as the API words it: the first line of the message is also the reason phrase. */
export class ApiError extends Error {
  readonly status: number;
  readonly errors: Record<string, string> | undefined;
  /** How late the answer comes (ms). */
  readonly after: number;

  constructor(status: number, message: string, errors?: Record<string, string>, after = 0) {
    super(message);
    this.status = status;
    this.errors = errors;
    this.after = after;
  }
}

/** Another operation holds the guest's lock file: the request waits for it, ten seconds at most. */
export class LockBusy extends Error {
  readonly vmid: number;

  constructor(vmid: number) {
    super(lockTimeout(vmid));
    this.vmid = vmid;
  }
}

export function lockTimeout(vmid: number): string {
  return `can't lock file '/var/lock/qemu-server/lock-${vmid}.conf' - got timeout`;
}

/** 500, which is what nearly every refusal is. */
export function refuse(message: string): never {
  throw new ApiError(500, message);
}

/** 400 naming parameters. */
export function invalid(errors: Record<string, string>): never {
  throw new ApiError(400, 'Parameter verification failed.', errors);
}

/** 403; `what` is usually a path and a privilege. */
export function forbid(what?: string): never {
  throw new ApiError(403, what === undefined ? 'Permission check failed' : `Permission check failed (${what})`);
}
