/** `PUT DELETE /a, POST /nodes/{node}/{type}/b`: each verb with the path, and both types of guests. */
export function methodsIn(text: string): string[] {
  return [...text.matchAll(/([A-Z ]+) (\/[^,\s]+)/g)].flatMap(([, verbs = '', path = '']) => {
    const paths = path.includes('{type}') ? ['qemu', 'lxc'].map((type) => path.replace('{type}', type)) : [path];
    const each = verbs.trim().split(' ');
    return each.flatMap((verb) => paths.map((one) => `${verb} ${one}`));
  });
}
