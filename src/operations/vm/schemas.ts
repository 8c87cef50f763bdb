import * as z from 'zod';

/** The range that Proxmox allows. */
export const vmid = z.int().min(100).max(999_999_999);
export const nodeName = z.string().regex(/^[a-zA-Z0-9-]{1,63}$/);
export const storageName = z.string().regex(/^[a-zA-Z][a-zA-Z0-9\-_.]*[a-zA-Z0-9]$/);
export const poolName = z.string().regex(/^[A-Za-z0-9.\-_/]{1,192}$/);
/** A DNS name: no underscores. */
export const guestName = z
  .string()
  .max(253)
  .regex(/^([a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)(\.[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)*$/);
export const tags = z.array(z.string().regex(/^[a-zA-Z0-9_][a-zA-Z0-9_+.-]*$/)).max(32);

export const cores = z.int().min(1).max(8192);
export const sockets = z.int().min(1).max(4);
/** MiB */
export const memory = z.int().min(16).max(16_777_216);
export const diskGb = z.int().min(1).max(131_072);

/** What every change answers with; more fields as they fit. Kept loose: a typed plan costs an agent 250 tokens a tool. */
export const changed = z.looseObject({ vmid: z.number(), name: z.string(), node: z.string(), status: z.string() });

/** `local:iso/debian-12.iso` */
export const volumeId = z
  .string()
  .max(300)
  .regex(/^[a-zA-Z][a-zA-Z0-9\-_.]*:[^\s,;=]+$/);
