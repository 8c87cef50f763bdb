import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
// @ts-expect-error a script without types
import { manifest } from '../../scripts/release/mcpb.mjs';
// @ts-expect-error a script without types
import { serverJson } from '../../scripts/release/server-json.mjs';
// @ts-expect-error a script without types
import { SETTINGS } from '../../scripts/release/settings.mjs';
// @ts-expect-error a script without types
import { SERVER_SCHEMAS, problems as untyped } from '../../scripts/release/validate.mjs';
import { describe as setting, VARIABLES } from '../../src/config/schema.ts';
import { binary } from '../helpers/binary.ts';

const problems = untyped as (schema: string, value: unknown) => string[];
const read = (path: string) => JSON.parse(readFileSync(path, 'utf8'));
const root = join(import.meta.dirname, '../..');
const pkg = read(join(root, 'package.json'));
const server = serverJson(pkg, 'a'.repeat(64));
const bundle = manifest(pkg, [{ name: 'list_vms', description: 'Lists guests.' }]);
const bom = () => read(join(dirname(binary()), 'sbom.cdx.json'));

describe('what a release publishes', () => {
  test('the bundle names the Node for which it holds a prebuilt SQLite, and not the floor of the npm package', () => {
    expect(bundle.compatibility.runtimes).toEqual({ node: '>=22' });
    expect(pkg.engines.node).toBe('>=20.19');
  });
  test.each([
    ['server.json by the registry', 'server-2025-12-11.schema.json', server],
    ['server.json by the rules of this project', 'server-own.schema.json', server],
    ['the manifest of the bundle', 'mcpb-manifest-v0.3.schema.json', bundle],
  ])('%s is valid', (_name, schema, value) => {
    expect(problems(schema, value)).toEqual([]);
  });

  test.each<readonly [string, string, unknown]>([
    ...(SERVER_SCHEMAS as string[]).flatMap((schema) => [
      ['server.json without a name', schema, { ...server, name: undefined }] as const,
      ['a description above 100 characters', schema, { ...server, description: 'x'.repeat(101) }] as const,
      [
        'a transport that does not exist',
        schema,
        { ...server, packages: [{ ...server.packages[0], transport: { type: 'pipe' } }] },
      ] as const,
    ]),
    ['a field that this project does not use', 'server-own.schema.json', { ...server, colour: 'red' }],
    ['a bundle without checksum', 'server-own.schema.json', serverJson(pkg, undefined)],
    ['a manifest with an unknown field', 'mcpb-manifest-v0.3.schema.json', { ...bundle, colour: 'red' }],
    [
      'a licence that SPDX does not know',
      'bom-1.6.SNAPSHOT.schema.json',
      { bomFormat: 'CycloneDX', specVersion: '1.6', components: [{ type: 'library', name: 'x', licenses: [{ license: { id: 'mine' } }] }] },
    ],
  ])('%s is found (%s)', (_name, schema, value) => {
    expect(problems(schema, JSON.parse(JSON.stringify(value)))).not.toEqual([]);
  });

  test('server.json names the schema of the registry that it is validated against', () => {
    expect(read(join(root, 'scripts/release/schemas', SERVER_SCHEMAS[0])).$id).toBe(server.$schema);
  });

  test('the name in server.json is the mcpName of the npm package', () => {
    expect(server.name).toBe(pkg.mcpName);
  });

  test('installers ask for settings that exist, and keep the secret ones secret', () => {
    for (const { variable, secret = false } of SETTINGS as { variable: (typeof VARIABLES)[number]; secret?: boolean }[]) {
      expect(VARIABLES).toContain(variable);
      expect(setting(variable).secret ?? false, variable).toBe(secret);
    }
    expect(bundle.user_config.token_secret.sensitive).toBe(true);
  });
});

test('the release workflow runs scripts that exist, on the platforms that are promised', () => {
  const workflow = readFileSync(join(root, '.github/workflows/release.yml'), 'utf8');
  for (const [, script = ''] of workflow.matchAll(/npm run ([\w:-]+)/g)) expect(Object.keys(pkg.scripts)).toContain(script);
  expect(workflow).toContain('platforms: linux/amd64,linux/arm64');
  expect(workflow).toContain(server.$schema);
});

describe('the bill of materials', () => {
  test('is valid CycloneDX 1.6, with a licence for each component', () => {
    expect(problems('bom-1.6.SNAPSHOT.schema.json', bom())).toEqual([]);
    expect(bom().components.filter(({ licenses }: { licenses?: unknown[] }) => !licenses?.length)).toEqual([]);
  });

  test("names both of SQLite's libraries and what is bundled, with the checksums of the lock file", () => {
    const components = new Map(bom().components.map((one: { purl: string }) => [one.purl, one]));
    const { packages } = read(join(root, 'package-lock.json'));
    const modern = packages['node_modules/better-sqlite3'];
    expect(components.get(`pkg:npm/better-sqlite3@${modern.version}`)).toMatchObject({
      scope: 'optional',
      hashes: [{ alg: 'SHA-512', content: Buffer.from(modern.integrity.replace('sha512-', ''), 'base64').toString('hex') }],
    });
    expect(
      components.has(`pkg:npm/better-sqlite3@${read(join(root, 'packages/sqlite-node20/package.json')).dependencies['better-sqlite3']}`),
    ).toBe(true);
    expect(components.get(`pkg:npm/%40modelcontextprotocol/server@${pkg.devDependencies['@modelcontextprotocol/server']}`)).toMatchObject({
      scope: 'required',
    });
    expect([...components.keys()].filter((purl) => /vitest|typescript|esbuild/.test(String(purl)))).toEqual([]);
  });
});
