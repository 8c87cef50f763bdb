/** The parts of a UPID, Proxmox's name of a worker task. */
export interface Upid {
  node: string;
  /** Epoch seconds by the node's clock. */
  startTime: number;
  /** `qmstart`, `vzdump`, … */
  type: string;
  /** The object of the task, mostly the VMID; for qmclone the source. */
  id: string;
  /** `user@realm` or `user@realm!token`. */
  user: string;
}

// A UPID becomes one segment of a path, and a proxy in between may decode it: no part holds what would end or split the segment.
const UPID =
  /^UPID:([a-zA-Z0-9-]+):([0-9A-F]{8}):([0-9A-F]{8,9}):([0-9A-F]{8}):([^:\s/?#%\p{Cc}]+):([^:\s/?#%\p{Cc}]*):([^:\s/?#%\p{Cc}]+):$/iu;
const MAX_LENGTH = 256;

/** Undefined for any text that is not a UPID. */
export function parseUpid(text: unknown): Upid | undefined {
  const parts = typeof text === 'string' && text.length <= MAX_LENGTH ? UPID.exec(text) : null;
  if (!parts) return undefined;
  const [, node = '', , , start = '', type = '', id = '', user = ''] = parts;
  return { node, startTime: Number.parseInt(start, 16), type, id, user };
}
