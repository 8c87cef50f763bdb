import { LEAST_PRIVILEGE_ROLES } from '../../src/simulator/seed/tokens.ts';

/** What the role of the guests has got since the recordings were made. */
const SINCE = ['Pool.Audit', 'VM.Backup'];

/** The least-privilege roles as they were then. */
export const RECORDED_ROLES: Record<string, string[]> = {
  ...LEAST_PRIVILEGE_ROLES,
  McpGuest: (LEAST_PRIVILEGE_ROLES.McpGuest ?? []).filter((priv) => !SINCE.includes(priv)),
};
