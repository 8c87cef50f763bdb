import * as z from 'zod';
import { APPROVAL_MODES, LOG_LEVELS, NOTIFY_KINDS } from '../core/settings/settings.ts';
import { TOOLSETS } from '../core/settings/toolset.ts';
import { clusterVariables } from './cluster.ts';
import { type Described, describedAs, section } from './described.ts';
import { remoteVariables } from './remote.ts';
import { anchorPlace, clientNames, flag, folder, httpsUrl, oneOf, toolsets, whole } from './values.ts';

export type { Section } from './described.ts';

const approval = section('Approval');
const behaviour = section('Behaviour');
const files = section('Files');

/** Every variable of this product, once: the settings, their documentation and `.env.example` all come from here. */
export const configSchema = z.strictObject({
  ...clusterVariables,

  PROXMOX_CLUSTERS_FILE: behaviour(folder.optional(), {
    description:
      'JSON file of several clusters: `{"home": {"PROXMOX_HOST": "…", "PROXMOX_TOKEN_ID": "…", …}, "work": {…}}`. Each takes the variables of Connection, Placement and Limits, and `PROXMOX_POLICY_FILE`; none of them is then set elsewhere. Other users must not be able to read it (docs/clusters.md).',
    defaultText: 'none; the environment describes the only cluster',
    example: '~/.config/proxmox-mcp/clusters.json',
    ceiling: 'fixed',
  }),
  PROXMOX_DEMO_CLUSTERS: behaviour(whole(1, 2).default(1), {
    description: 'Embedded clusters of `--demo`. With 2 they are called `home` and `work`.',
  }),

  PROXMOX_APPROVAL: approval(oneOf(APPROVAL_MODES).default('auto'), {
    field: 'approval.mode',
    description:
      'Approval method for operations that interrupt or destroy. `relay`: the agent passes on the user’s yes. `auto`: the client asks its user where it can, otherwise relay. `human`: only in a terminal or the console.',
    ceiling: 'stricter',
  }),
  PROXMOX_APPROVAL_TTL: approval(whole(30, 86_400).default(900), {
    field: 'approval.ttlSeconds',
    description: 'Seconds until an undecided approval expires.',
    ceiling: 'lower',
  }),
  PROXMOX_POLICY_FILE: approval(folder.optional(), {
    description: 'JSON file with rules that raise the requirements (docs/approvals.md). A missing or invalid file stops the start.',
    example: '/etc/proxmox-mcp/policy.json',
    ceiling: 'fixed',
  }),
  PROXMOX_MAX_PENDING: approval(whole(1, 1000).default(10), {
    field: 'approval.maxPendingPerPrincipal',
    description: 'Pending approvals of one requester at a time. One more is refused.',
    ceiling: 'lower',
  }),
  PROXMOX_NOTIFY_URL: approval(httpsUrl.optional(), {
    description: 'Address that gets one message for every new approval. The message cannot be used to decide.',
    example: 'https://ntfy.sh/a-name-hard-to-guess',
    secret: true,
  }),
  PROXMOX_NOTIFY_KIND: approval(oneOf(NOTIFY_KINDS).default('json'), {
    description: 'Kind of that address: a topic of `ntfy`, an incoming webhook of `slack`, or any receiver of a `json` object.',
    example: 'ntfy',
  }),
  PROXMOX_CONSOLE_URL: approval(httpsUrl.optional(), {
    description: 'Address of the console. The message then links to the page of the approval, which asks for a login.',
    defaultText: 'none; no link',
    example: 'https://mcp.example.org/console',
  }),

  PROXMOX_READ_ONLY: behaviour(flag.default(false), {
    field: 'readOnly',
    description: 'Offer read operations only.',
    ceiling: 'true',
  }),
  PROXMOX_TOOLSETS: behaviour(toolsets.default(['everyday']), {
    field: 'toolsets',
    description: `Groups of tools to offer, separated by commas, or \`all\`: ${TOOLSETS.join(', ')}. Tools of other groups are unavailable, also on the command line. docs/tools.md lists the groups.`,
    defaultText: 'everyday',
    example: 'everyday,rare',
    ceiling: 'fixed',
  }),
  PROXMOX_CARD_CLIENTS: behaviour(clientNames.default([]), {
    field: 'cardClients',
    description:
      'Clients that may show plans and guests as cards (MCP Apps), if they declare support. Names as in the audit, without version, separated by commas.',
    defaultText: 'none; every client gets text',
    example: 'claude-ai,Visual Studio Code',
  }),
  PROXMOX_WAIT_SECONDS: behaviour(whole(0, 3600).default(45), {
    field: 'waitSeconds',
    description:
      'Seconds until a change answers at the latest. The answer is then `running`, or says that nothing was sent. MCP clients give up after 60.',
  }),
  PROXMOX_LOG_LEVEL: behaviour(oneOf(LOG_LEVELS).default('warn'), { field: 'logLevel', description: 'Level of the log on stderr.' }),

  ...remoteVariables,

  PROXMOX_DATA_DIR: files(folder.optional(), {
    description: 'Folder of the database, the pinned certificate and the audit file. Several servers may share it.',
    defaultText: '`$XDG_STATE_HOME/proxmox-mcp`, that is `~/.local/state/proxmox-mcp`',
    example: '~/.local/state/proxmox-mcp',
    ceiling: 'fixed',
  }),
  PROXMOX_RETENTION_DAYS: files(whole(0, 36_500).default(90), {
    field: 'retentionDays',
    description:
      'Days after which the database forgets ended runs, decided approvals, expired tokens and sessions, and names of deleted guests. 0 keeps all. Pending and unknown ones stay, and so do the list of guests created here and the last access token. The audit file is never shortened.',
  }),
  PROXMOX_AUDIT_FILE: files(folder.optional(), {
    description: 'The audit trail, JSON Lines.',
    defaultText: '`audit.jsonl` in the data folder',
    example: '~/.local/state/proxmox-mcp/audit.jsonl',
    ceiling: 'fixed',
  }),
  PROXMOX_AUDIT_ANCHOR: files(anchorPlace.optional(), {
    field: 'auditAnchor',
    description:
      'Second place for signed checkpoints of the audit, so that removed lines show (docs/approvals.md). A file that a writer of the audit cannot rewrite, `syslog:` or `syslog:PORT` (UDP to this machine), or an `https://` address that takes POST.',
    example: 'syslog:',
    secret: true,
    ceiling: 'fixed',
  }),
});

export type Config = z.output<typeof configSchema>;
export type Variable = keyof Config;
export const VARIABLES = Object.keys(configSchema.shape) as Variable[];

/** The schema's entry of one variable. */
export function describe(name: Variable): Described {
  return describedAs(configSchema.shape[name]);
}
