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

test('versions are exact', () => {
  const { dependencies, optionalDependencies, devDependencies } = read('package.json');
  for (const [name, version] of Object.entries<string>({ ...dependencies, ...optionalDependencies, ...devDependencies }))
    expect(version.replace(/^npm:.*@/, ''), name).toMatch(/^\d+\.\d+\.\d+$/);
});
