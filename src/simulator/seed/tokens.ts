/** Tokens of the seeds. Their secrets are public: they open nothing but a simulator. */
export const SEED_TOKENS = {
  /** Everything; not privilege-separated. */
  full: { id: 'root@pam!demo', secret: '5eed0000-0000-4000-8000-000000000001' },
  /** Privilege-separated, without any ACL entry. */
  noAcl: { id: 'agent@pve!noacl', secret: '5eed0000-0000-4000-8000-000000000002' },
  /** The smallest token that can do everything the product offers, on the pool `agents`. */
  leastPrivilege: { id: 'mcp@pve!agent', secret: '5eed0000-0000-4000-8000-000000000003' },
  /** May look at everything, change nothing. */
  readOnly: { id: 'agent@pve!ro', secret: '5eed0000-0000-4000-8000-000000000004' },
  /** Of the seed `recording` only, named as in the recordings. */
  recordingFull: { id: 'root@pam!tok', secret: '5eed0000-0000-4000-8000-000000000005' },
  recordingSeparated: { id: 'root@pam!sep', secret: '5eed0000-0000-4000-8000-000000000006' },
  recordingAgent: { id: 'agent@pve!full', secret: '5eed0000-0000-4000-8000-000000000007' },
  recordingExpired: { id: 'agent@pve!expired', secret: '5eed0000-0000-4000-8000-000000000008' },
} as const;

/** Roles of the least-privilege set-up (docs: tokens). */
export const LEAST_PRIVILEGE_ROLES: Record<string, string[]> = {
  McpGuest: [
    'Pool.Audit',
    'VM.Allocate',
    'VM.Audit',
    'VM.Backup',
    'VM.Clone',
    'VM.Config.CPU',
    'VM.Config.Disk',
    'VM.Config.HWType',
    'VM.Config.Memory',
    'VM.Config.Network',
    'VM.Config.Options',
    'VM.GuestAgent.Audit',
    'VM.PowerMgmt',
  ],
  McpTemplate: ['VM.Audit', 'VM.Clone'],
  McpStore: ['Datastore.AllocateSpace', 'Datastore.Audit'],
  McpIso: ['Datastore.Audit'],
  McpNet: ['SDN.Use'],
  McpNode: ['Sys.Audit'],
};
