import * as z from 'zod';
import { APPROVAL_METHODS } from '../core/plan/approval.ts';
import { EFFECTS } from '../core/plan/effect.ts';
import { parseDuration } from '../core/text/duration.ts';
import { isWholePath } from '../core/text/whole-path.ts';

let made: ReturnType<typeof make> | undefined;

/**
 * The policy file. Unknown keys are errors: a misspelt rule must not silently allow anything. Built for the first policy that is read, because every
 * start without one would pay for it.
 */
export function policySchema(): ReturnType<typeof make> {
  made ??= make();
  return made;
}

function make() {
  /** In seconds. */
  const span = z.string().transform((text, ctx) => {
    const seconds = parseDuration(text);
    if (seconds !== undefined) return seconds;
    ctx.addIssue('a number with s, m, h or d, for example 24h');
    return z.NEVER;
  });

  /** `105` or `100-199`. */
  const vmids = z
    .union([z.int().min(100).max(999_999_999), z.string().regex(/^\d{3,9}(-\d{3,9})?$/, 'a VMID or a range such as 100-199')])
    .transform((value, ctx) => {
      const [from = 0, to = from] = String(value).split('-').map(Number);
      if (from <= to) return { from, to };
      ctx.addIssue('a range whose end is not before its beginning');
      return z.NEVER;
    });

  /** Composed as the names of callers are: a rule in decomposed letters would fit no caller. */
  const principal = z
    .string()
    .regex(/^((local|token|oauth):.+|http:local)$/, 'local:UID, token:NAME or oauth:SUB')
    .transform((name) => name.normalize('NFC'));

  /** A path in another form would silently allow nothing. */
  const wholePath = z
    .string()
    .refine((text) => isWholePath(text) && !text.includes('*'), { message: 'must be a whole path such as /etc/hosts, without *' });

  const words = z.array(z.string().min(1)).min(1);

  return z.strictObject({
    rules: z
      .array(
        z.strictObject({
          match: z
            .strictObject({
              effect: z.array(z.enum(EFFECTS)).min(1).optional().describe('what the plan does: read, change, disrupt, destroy'),
              operation: words.optional().describe('names of operations'),
              cluster: words.optional().describe('names of clusters in `PROXMOX_CLUSTERS_FILE`'),
              tag: words.optional().describe('the guest carries one of these tags'),
              pool: words.optional().describe('the guest is in one of these pools'),
              vmid: z.array(vmids).min(1).optional().describe('VMIDs or ranges: `105`, `"100-199"`'),
              principal: z
                .array(principal)
                .min(1)
                .optional()
                .describe('requesters, as the audit names them: `local:1000`, `token:ci`, `oauth:SUB`'),
            })
            .default({})
            .describe('match conditions. All given keys must match. Without any, the rule matches everything'),
          never: z
            .boolean()
            .default(false)
            .describe('forbidden, with or without an approval; a new guest gets a VMID outside forbidden ranges'),
          way: z.enum(APPROVAL_METHODS).optional().describe('the least strict approval method; it also makes a change need an approval'),
          approvals: z.int().min(1).max(5).optional().describe('number of different owners who must approve'),
          require_backup_within: span.optional().describe('a backup not older than this must exist: `30m`, `24h`, `7d`'),
          cooldown: span
            .optional()
            .describe('time after a decision or an execution during which the identical request is refused: `30s`, `5m`'),
        }),
      )
      .default([])
      .describe('each rule raises the requirements; of all that match, the strictest counts'),
    only: z
      .strictObject({
        tags: z.array(z.string()).default([]).describe('guests with one of these tags'),
        pools: z.array(z.string()).default([]).describe('guests in one of these pools'),
        created: z.boolean().default(false).describe('guests created through this server'),
      })
      .optional()
      .describe('the only guests that may be changed'),
    run: z
      .array(
        z
          .strictObject({
            match: z
              .strictObject({
                vmid: z.array(vmids).min(1).optional().describe('VMIDs or ranges'),
                tag: words.optional().describe('the guest carries one of these tags'),
                pool: words.optional().describe('the guest is in one of these pools'),
              })
              .refine((match) => Object.values(match).some((one) => one !== undefined), {
                message: 'must name guests by vmid, tag or pool',
              })
              .describe('guests in which they may run. All given keys must match'),
            argv: z
              .array(words)
              .min(1)
              .optional()
              .describe('programs with their arguments, item by item. A `*` is any one argument, as in `["systemctl", "status", "*"]`'),
            files: z
              .array(wholePath)
              .min(1)
              .optional()
              .describe(
                'files that may be read and written, by their whole paths, as in `["/etc/hosts"]`. A link in the guest is followed',
              ),
          })
          .refine(({ argv, files }) => argv ?? files, { message: 'must have argv or files' }),
      )
      .optional()
      .describe('programs and files that `run_in_guest` may use. Without it none'),
    per_hour: z
      .strictObject({
        creates: z.int().min(0).optional().describe('guests created within an hour, per requester'),
        destroys: z.int().min(0).optional().describe('destructive operations within an hour, per requester'),
      })
      .default({})
      .describe('limits that hold even with an approval'),
  });
}
