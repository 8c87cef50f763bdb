/** The groups in which tools are offered; PROXMOX_TOOLSETS chooses among them. */
export const TOOLSETS = ['everyday', 'rare', 'firewall', 'agent', 'api'] as const;
export type Toolset = (typeof TOOLSETS)[number];
