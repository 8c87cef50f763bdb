import type { Theme } from '../lib/task.ts';
import { ambiguous } from './ambiguous.ts';
import { backups } from './backups.ts';
import { changing } from './changing.ts';
import { creating } from './creating.ts';
import { deleting } from './deleting.ts';
import { injection } from './injection.ts';
import { looking } from './looking.ts';
import { lost } from './lost.ts';
import { power } from './power.ts';
import { refused } from './refused.ts';
import { saysNo } from './says-no.ts';

export const themes: Theme[] = [looking, creating, changing, power, deleting, backups, refused, saysNo, ambiguous, injection, lost];
