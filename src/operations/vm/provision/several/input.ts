import * as z from 'zod';
import { guestName, line } from '../../lib/schemas.ts';

/** Parameters by which a create or clone makes several guests; `newGuests` reads them. */
export const severalNew = {
  names: z.array(guestName).min(1).max(20).optional().describe('Several at once'),
  ips: z.array(line(100)).min(1).max(20).optional().describe('CIDR of each of names; the gateway from ipconfig0'),
};

export const waitFor = z.enum(['ip']).optional().describe('Starts it, answers with its address');
