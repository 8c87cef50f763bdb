/** For humans, in the two largest units: 93784 seconds is `1 d 2 h`. */
export function duration(seconds: number): string {
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor((seconds % 86_400) / 3_600), 'h'],
    [Math.floor((seconds % 3_600) / 60), 'min'],
    [Math.floor(seconds % 60), 's'],
  ].filter(([n]) => n !== 0);
  return (
    parts
      .slice(0, 2)
      .map(([n, unit]) => `${n} ${unit}`)
      .join(' ') || '0 s'
  );
}
