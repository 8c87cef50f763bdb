const clockTime = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const dayTime = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

/** `14:03:10` today, `3 Nov, 14:03` on another day. */
export function shortTime(iso: string, now = Date.now()): string {
  const date = new Date(iso);
  return new Date(now).toDateString() === date.toDateString() ? clockTime.format(date) : dayTime.format(date);
}

export function fullTime(iso: string): string {
  return full.format(new Date(iso));
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
