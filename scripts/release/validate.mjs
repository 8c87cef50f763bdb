import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import formats from 'ajv-formats';
import { strFromU8, unzipSync } from 'fflate';
import { filesOf } from './tarball.mjs';

const SCHEMAS = join(import.meta.dirname, 'schemas');
const read = (file) => JSON.parse(readFileSync(file, 'utf8'));

/** Both hold for server.json: the registry's own schema, which lets unknown fields pass, and this project's closed rules. */
export const SERVER_SCHEMAS = ['server-2025-12-11.schema.json', 'server-own.schema.json'];

/** The places where a file breaks its schema, a line each. @param schema name of a file in schemas/ */
export function problems(schema, value) {
  const ajv = new Ajv({ strict: false, allErrors: true });
  formats.default(ajv);
  // Formats that the library lacks. Nothing of ours uses them.
  for (const format of ['iri-reference', 'idn-email']) ajv.addFormat(format, true);
  for (const name of readdirSync(SCHEMAS).filter((file) => /^(spdx|jsf)/.test(file)))
    ajv.addSchema(read(join(SCHEMAS, name)), `http://cyclonedx.org/schema/${name}`);
  const validate = ajv.compile(read(join(SCHEMAS, schema)));
  return validate(value)
    ? []
    : validate.errors.map(({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`);
}

/** Checks a folder that `npm run release:dry` filled. @returns what is wrong, a line each */
export function validateRelease(folder) {
  const names = readdirSync(folder);
  const one = (pattern) => names.find((name) => pattern.test(name)) ?? '';
  const bytes = (name) => readFileSync(join(folder, name));
  const server = read(join(folder, 'server.json'));
  const bundle = unzipSync(bytes(one(/\.mcpb$/)));
  const manifest = JSON.parse(strFromU8(bundle['manifest.json']));
  const tarball = filesOf(bytes(one(/^proxmox-mcp-\d.*\.tgz$/)));
  const packed = JSON.parse(tarball.get('package/package.json'));
  const sha256 = (name) => createHash('sha256').update(bytes(name)).digest('hex');
  const sums = new Map(
    bytes('SHA256SUMS')
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => line.split('  ').reverse()),
  );
  const rules = [
    [packed.mcpName === server.name, 'mcpName of the npm package is the name in server.json'],
    [new Set([packed.version, server.version, manifest.version]).size === 1, 'all versions are equal'],
    [
      !['preinstall', 'install', 'postinstall', 'prepare'].some((script) => script in packed.scripts),
      'the npm package has no install script',
    ],
    [tarball.has('package/dist/cli.js') && tarball.has('package/dist/sbom.cdx.json'), 'the npm package has dist/'],
    [manifest.server.entry_point in bundle && manifest.icon in bundle, 'the entry point and the icon of the bundle are in it'],
    [server.packages.some(({ fileSha256 }) => fileSha256 === sha256(one(/\.mcpb$/))), 'server.json has the checksum of the bundle'],
    [names.filter((name) => name !== 'SHA256SUMS').every((name) => sums.get(name) === sha256(name)), 'SHA256SUMS covers every file'],
  ];
  return [
    ...SERVER_SCHEMAS.flatMap((schema) => problems(schema, server).map((line) => `server.json: ${line} (${schema})`)),
    ...problems('mcpb-manifest-v0.3.schema.json', manifest).map((line) => `manifest.json: ${line}`),
    ...problems('bom-1.6.SNAPSHOT.schema.json', read(join(folder, 'sbom.cdx.json'))).map((line) => `sbom.cdx.json: ${line}`),
    ...rules.filter(([holds]) => !holds).map(([, rule]) => `broken: ${rule}`),
  ];
}
