import { mibOf } from '../../../core/text/sizes.ts';
import { type Guest, memoryOf } from '../../../proxmox/guest/guests.ts';
import type { Target } from './target.ts';

/** MiB */
interface Wanted {
  memory?: number;
  balloon?: number;
}

/** Whether a value takes effect in the running guest at once. */
export function isLive({ guest, running }: Target, key: string, wanted: Wanted): boolean {
  if (!running || guest.at.type === 'lxc') return true;
  const { live } = guest;
  // The balloon device itself comes and goes with a start; only its value changes while the guest runs.
  if (key === 'balloon') return (live.balloon === '0') === (wanted.balloon === 0);
  const hotplug = live.hotplug === undefined || live.hotplug === '1' ? 'network,disk,usb' : live.hotplug;
  return key === 'memory' && live.numa === '1' && hotplug.split(/[,;]/).includes('memory');
}

/** Room that a running guest keeps above what it uses now. */
const HEADROOM = 1.1;
/** MiB below which most systems in a VM do not boot. */
const SMALL_VM = 256;

/** The warning about memory that a running guest loses at once; undefined when it keeps the memory in use plus the headroom. */
export function takenFromRunning(target: Target, wanted: Wanted): string | undefined {
  const { status, guest } = target;
  if (!target.running) return undefined;
  const { usedBytes, balloonMib } = status;
  const usedMib = usedBytes > 0 ? mibOf(usedBytes) : (balloonMib ?? guest.sizes.memoryMib);
  // Without a balloon value the guest has all of its memory.
  const has = { memory: memoryOf(guest.live), balloon: Number(guest.live.balloon ?? memoryOf(guest.live)) };
  const taken = (['memory', 'balloon'] as const).find((key) => {
    const value = wanted[key];
    return value !== undefined && isLive(target, key, wanted) && value < has[key] && value < usedMib * HEADROOM;
  });
  if (taken === undefined) return undefined;
  return `${taken} ${wanted[taken]} MiB takes effect at once and is less than the ${Math.ceil(usedMib)} MiB that the running guest uses plus 10 %`;
}

/** The warning about so little memory that the guest may not boot or work; undefined when enough is left. */
export function shrinksTooFar(guest: Guest, memory: number | undefined): string | undefined {
  const now = memoryOf(guest.config);
  if (memory === undefined || memory >= now) return undefined;
  // Two changes in a row while it runs must not pass where one would not.
  const had = Math.max(now, memoryOf(guest.live));
  const tooSmall = guest.at.type === 'qemu' && had > SMALL_VM && memory < SMALL_VM;
  if (memory >= had / 4 && !tooSmall) return undefined;
  // A caller that thinks in GiB writes 16.
  const meant = memory <= SMALL_VM ? `; ${memory} GiB would be ${memory * 1024}` : '';
  return `memory falls from ${had} MiB to ${memory} MiB, ${tooSmall ? 'with which most systems do not boot' : 'less than a quarter'}${meant}`;
}
