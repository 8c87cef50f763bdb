import { plainText } from './text.ts';

/** Whether a text is the path of a file from the root, in its one form: `/etc/hosts`, `C:\logs\a.txt`. */
export function isWholePath(text: string): boolean {
  const [, ...parts] = text.split(/[\\/]/);
  return (
    /^(\/|[A-Za-z]:[\\/])/.test(text) &&
    parts.every((part) => part !== '' && part !== '.' && part !== '..') &&
    text.length <= 1000 &&
    plainText(text, 1000) === text
  );
}
