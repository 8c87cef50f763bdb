import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const read = (name: string) => JSON.parse(readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8'));

test('every install script of a dependency is reviewed, and nothing else is allowed', () => {
  const packages = Object.entries<{ hasInstallScript?: true }>(read('package-lock.json').packages);
  const scripted = packages.flatMap(([path, { hasInstallScript }]) =>
    path !== '' && hasInstallScript ? [path.split('node_modules/').at(-1)] : [],
  );
  expect(Object.keys(read('package.json').allowScripts).sort()).toEqual([...new Set(scripted)].sort());
});

test('installing the package runs no script of its own, so that npm blocks none', () => {
  const own = ['preinstall', 'install', 'postinstall', 'prepare'];
  for (const name of ['package.json', 'packages/sqlite-node20/package.json'])
    expect(
      Object.keys(read(name).scripts ?? {}).filter((script) => own.includes(script)),
      name,
    ).toEqual([]);
});

test("each Node gets one of SQLite's libraries, and the clone has the package for Node 20 in a folder", () => {
  const { dependencies, optionalDependencies } = read('package.json');
  const { packages } = read('package-lock.json');
  const [modern, node20] = ['better-sqlite3', 'proxmox-mcp-sqlite-node20'];
  const own = read('packages/sqlite-node20/package.json');
  expect(dependencies).toBeUndefined();
  expect(optionalDependencies).toEqual({ [modern]: packages[`node_modules/${modern}`].version, [node20]: own.version });
  expect([packages[`node_modules/${modern}`].engines, own.engines]).toEqual([{ node: '>=22' }, { node: '<22' }]);
  // npm leaves out what does not fit only where it is optional.
  expect(packages[`node_modules/${modern}`].optional).toBe(true);
  expect(packages[`node_modules/${node20}`]).toEqual({ resolved: 'packages/sqlite-node20', link: true });
});

test('the lock file names no registry', () => {
  const packages = Object.entries<{ resolved?: string }>(read('package-lock.json').packages);
  expect(packages.filter(([, { resolved }]) => resolved?.includes(':'))).toEqual([]);
});

test('versions are exact', () => {
  const { dependencies, optionalDependencies, devDependencies } = read('package.json');
  for (const [name, version] of Object.entries<string>({ ...dependencies, ...optionalDependencies, ...devDependencies }))
    expect(version.replace(/^npm:.*@/, ''), name).toMatch(/^\d+\.\d+\.\d+$/);
});
