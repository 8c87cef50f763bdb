import * as z from 'zod';

/** The range that Proxmox allows. */
export const vmid = z.int().min(100).max(999_999_999);

/** One guest or several of them; `guestsAsked` reads it, and `byName` gives each its name. */
export const oneOrSeveral = {
  vmid: vmid.optional(),
  vmids: z.array(vmid).min(1).max(50).optional().describe('Several under one approval'),
};

/** Half a character, which is sent as another one, and marks that reverse the text: a reader of the plan would see another text. */
const misleads = (text: string) => !isWellFormed(text) || /[\u202a-\u202e\u2066-\u2069]/u.test(text);
const isWellFormed = (text: string) => !/\p{Cs}/u.test(text);

/** A text that reaches Proxmox on one line: a line break would begin another option, and nothing shows a control character. */
export const line = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .refine((text) => !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(text) && !misleads(text), { message: 'must be one line without control characters' });
/** The same with line breaks and tabs, as notes and lists of keys have them. */
export const lines = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .refine((text) => !/\p{Cc}/u.test(text.replace(/[\r\n\t]/g, '')) && !misleads(text), {
      message: 'must not have control characters besides line breaks',
    });
/** Notes of a guest. */
export const description = lines(8192);
/** The same, or empty: none. */
export const notes = z.string().refine((text) => text === '' || description.safeParse(text).success, {
  message: 'must be at most 8192 characters without control characters besides line breaks',
});
/** Checked here but not advertised: a pattern costs an agent more tokens than the refusal of a bad name. */
const shaped = (pattern: RegExp, what: string, max: number) =>
  z
    .string()
    .max(max)
    .refine((text) => text.length <= max && pattern.test(text), { message: `must be ${what}` });
export const nodeName = shaped(/^[a-zA-Z0-9-]+$/, 'the name of a node', 63);
export const storageName = shaped(/^[a-zA-Z][a-zA-Z0-9\-_.]*[a-zA-Z0-9]$/, 'the name of a storage', 100);
export const poolName = shaped(/^[A-Za-z0-9.\-_]+(\/[A-Za-z0-9.\-_]+){0,2}$/, 'the name of a pool', 192);
export const bridgeName = shaped(/^[\w.-]+$/, 'the name of a bridge', 40);
export const cpuType = shaped(/^[\w.+-]+(,[\w=+;.-]+)*$/, 'a CPU type like host or x86-64-v2-AES', 200);
/** Labels between dots; no underscores. */
export const guestName = shaped(
  /^([a-z0-9]([a-z0-9-]*[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i,
  'a DNS name: letters, digits and hyphens',
  253,
);
export const tags = z.array(shaped(/^[a-z0-9_][a-z0-9_+.-]*$/i, 'a tag: letters, digits, _ + . -', 124)).max(32);
/** `local:iso/debian-12.iso` */
export const volumeId = shaped(
  /^[a-zA-Z][a-zA-Z0-9\-_.]*:[^\s,;=\p{Cc}]+$/u,
  'a volume like local:iso/debian-12.iso or local:import/debian-12.qcow2',
  300,
);
/** An ISO or disk image: a volume id, or a file name that only one storage has. `none` for no ISO is such a name. */
export const medium = z.string().refine((text) => volumeId.safeParse(text).success || /^[^\s:/,;=\p{Cc}]{1,255}$/u.test(text), {
  message: 'must be a volume like local:iso/debian-12.iso or local:import/debian-12.qcow2, or its file name',
});

/** Parameters by which a create or clone makes several guests; `newGuests` reads them. */
export const severalNew = {
  names: z.array(guestName).min(1).max(20).optional().describe('Several at once'),
  ips: z.array(line(100)).min(1).max(20).optional().describe('CIDR of each of names; the gateway from ipconfig0'),
};
export const waitFor = z.enum(['ip']).optional().describe('Starts it, answers with its address');

export const cores = z.int().min(1).max(8192);
export const sockets = z.int().min(1).max(4);
/** MiB */
export const MAX_MEMORY = 16_777_216;
export const memory = z.int().min(16).max(MAX_MEMORY);
export const diskGb = z.int().min(1).max(131_072);

/** Seconds that a guest has to shut down where the caller names none. */
export const SHUTDOWN_SECONDS = 60;
export const shutdownTimeout = z.int().min(1).max(3600).optional().describe(`Seconds for the guest to shut down (${SHUTDOWN_SECONDS})`);

/** The common answer of every change; more fields as they fit. Kept loose: a typed plan costs an agent 250 tokens a tool. */
export const changed = z.looseObject({ vmid: z.number(), name: z.string(), node: z.string(), status: z.string() });
/** The same of a change that several guests may take part in. */
export const changedEach = changed.extend({ guests: z.array(z.looseObject({ vmid: z.number() })).optional() });
