/** `PUT DELETE /a, POST /nodes/{node}/{type}/b`: each verb with the path, and both types of guests. */
export function methodsIn(text: string): string[] {
  return text
    .split(/[,\n]/)
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
    .flatMap((entry) => {
      const words = entry.split(' ');
      const path = words.pop() ?? '';
      const paths = path.includes('{type}') ? ['qemu', 'lxc'].map((type) => path.replace('{type}', type)) : [path];
      return words.flatMap((verb) => paths.map((one) => `${verb} ${one}`));
    });
}
