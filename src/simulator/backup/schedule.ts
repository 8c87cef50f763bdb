const DAY = 86_400;
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

/** Days of the week that `mon..fri` or `sat,sun` name; all without a word. */
function daysOf(text: string): number[] {
  const found = text.split(',').flatMap((part) => {
    const [from = '', to = from] = part.split('..');
    const [first, last] = [DAYS.indexOf(from.slice(0, 3)), DAYS.indexOf(to.slice(0, 3))];
    if (first < 0 || last < 0) return [];
    return Array.from({ length: ((last - first + 7) % 7) + 1 }, (_, index) => (first + index) % 7);
  });
  return found.length > 0 ? found : [0, 1, 2, 3, 4, 5, 6];
}

/**
 * The next moment (epoch s) after `after` of a calendar event: an optional list of days, then `HH:MM`, `*:00/15` or a word as `daily`.
 * Events beyond that run hourly.
 */
export function nextRun(schedule: string, after: number): number {
  const step = Number(/^(?:\*[:/])?(?:0+\/)?(\d+)$/.exec(schedule.trim())?.[1] ?? 0) * 60;
  if (step > 0) return (Math.floor(after / step) + 1) * step;
  const event = { daily: '00:00', weekly: 'mon 00:00' }[schedule] ?? schedule;
  const [, days = '', hour, minute] = /^([a-z.,]+)?\s*(\d{1,2}):(\d{2})$/.exec(event) ?? [];
  if (hour === undefined) return (Math.floor(after / 3_600) + 1) * 3_600;
  const wanted = daysOf(days);
  const today = Math.floor(after / DAY) * DAY;
  for (let day = 0; ; day += 1) {
    const at = today + day * DAY + Number(hour) * 3_600 + Number(minute) * 60;
    if (at > after && wanted.includes(new Date(at * 1000).getUTCDay())) return at;
  }
}
