// The hours of 00 to 23 that the terminal and the logs show, too.
const clock = { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' } as const;
const day = { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const;
const clockTime = new Intl.DateTimeFormat(undefined, clock);
const dayTime = new Intl.DateTimeFormat(undefined, day);
const zoned = { timeZoneName: 'short' } as const;
const zonedClockTime = new Intl.DateTimeFormat(undefined, { ...clock, ...zoned });
const zonedDayTime = new Intl.DateTimeFormat(undefined, { ...day, ...zoned });
const full = new Intl.DateTimeFormat(undefined, { year: 'numeric', ...day, second: '2-digit', ...zoned });

/** `14:03:10 CET` today, `3 Nov, 14:03 CET` on another day. */
export function shortTime(iso: string, now = Date.now()): string {
  return isSameDay(iso, now) ? zonedClockTime.format(new Date(iso)) : zonedDayTime.format(new Date(iso));
}

/** The same without the zone, for a column whose title names it. */
export function columnTime(iso: string, now = Date.now()): string {
  return isSameDay(iso, now) ? clockTime.format(new Date(iso)) : dayTime.format(new Date(iso));
}

export function fullTime(iso: string): string {
  return full.format(new Date(iso));
}

/** The zone of the times on this page, such as `CET`. */
export function zone(): string {
  return zonedClockTime.formatToParts(new Date()).find(({ type }) => type === 'timeZoneName')?.value ?? '';
}

function isSameDay(iso: string, now: number): boolean {
  return new Date(now).toDateString() === new Date(iso).toDateString();
}

/** `4:07` until then; `0:00` when it has passed. */
export function countdown(iso: string, now: number): string {
  const seconds = Math.max(0, Math.ceil((Date.parse(iso) - now) / 1000));
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), seconds % 60];
  const two = (n: number) => String(n).padStart(2, '0');
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

export function ago(iso: string, now: number): string {
  const seconds = Math.max(0, Math.round((now - Date.parse(iso)) / 1000));
  if (seconds < 60) return 'just now';
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

const whole = new Intl.NumberFormat('en');

export function number(value: number): string {
  return whole.format(value);
}

/** MiB as people read it: `512 MiB`, `4 GiB`, `1.5 GiB`. */
export function mebibytes(value: number): string {
  if (value < 1024) return `${number(Math.round(value))} MiB`;
  return `${number(Math.round((value / 1024) * 10) / 10)} GiB`;
}
