// Writes src/proxmox/contract/contract.json, the compact form of the API's schema.   node scripts/contract.mjs SCHEMA.json
// SCHEMA.json: { header: { packages }, endpoints: [{ path, method, parameters: { properties }, permissions, allowtoken }], code_formats },
// as the method registry of a Proxmox VE 9.2 node holds it. Types and permissions that repeat are stored once and numbered. Left out is what the product
// does not read: defaults, the place of execution, and the properties of property strings.
import { readFileSync, writeFileSync } from 'node:fs';

const [file] = process.argv.slice(2);
if (!file) throw new Error('Name the schema file: node scripts/contract.mjs SCHEMA.json');
const { header, endpoints, code_formats } = JSON.parse(readFileSync(file, 'utf8'));
const version = (name) => `${name} ${header.packages[name].split(' ')[0]}`;

const types = numbered();
const permissions = numbered();
const methods = {};
for (const endpoint of [...endpoints].sort((a, b) => compare(a.path, b.path) || compare(a.method, b.method))) {
  const properties = Object.entries(propertiesOf(endpoint.parameters)).sort(([a], [b]) => compare(a, b));
  methods[endpoint.path] ??= {};
  methods[endpoint.path][endpoint.method] = {
    ...(properties.length > 0
      ? { in: Object.fromEntries(properties.map(([name, { default: _default, ...type }]) => [name, types.of(type)])) }
      : {}),
    ...(endpoint.permissions ? { may: permissions.of(endpoint.permissions) } : {}),
    ...(endpoint.parameters.additionalProperties === 1 ? { open: 1 } : {}),
    ...(endpoint.allowtoken === 0 ? { noToken: 1 } : {}),
  };
}
const data = {
  origin: `Proxmox VE 9.2 API schema (${['pve-manager', 'qemu-server', 'pve-container', 'libpve-storage-perl', 'libpve-access-control'].map(version).join(', ')})`,
  patterns: code_formats,
  types: types.list,
  permissions: permissions.list,
  methods,
};
// One line a method, so that a new version shows what changed.
const text = JSON.stringify(data).replaceAll(/("\/[^"]*":\{"(?:DELETE|GET|POST|PUT)")/g, '\n$1');
writeFileSync(new URL('../src/proxmox/contract/contract.json', import.meta.url), `${text}\n`);

/** All properties of a schema. What only some types of an object take is optional; which type it is, is a property too. */
function propertiesOf(schema) {
  const parts = (schema.allOf ?? []).map(propertiesOf);
  const kinds = schema.oneOf ?? [];
  const names = new Set(kinds.flatMap((kind) => Object.keys(kind.properties ?? {})));
  const chosen = [...names].map((name) => {
    const found = kinds.flatMap((kind) => kind.properties?.[name] ?? []);
    return [name, { ...found[0], ...(found.length < kinds.length || found.some(({ optional }) => optional) ? { optional: 1 } : {}) }];
  });
  const type = schema['type-property'];
  const discriminator = type ? { [type]: { type: 'string', enum: kinds.map((kind) => kind['instance-type']) } } : {};
  return Object.assign({}, ...parts, Object.fromEntries(chosen), discriminator, schema.properties);
}

/** Equal values get one number, in the order in which they appear. */
function numbered() {
  const list = [];
  const known = new Map();
  return {
    list,
    of(value) {
      const key = JSON.stringify(value, (_, part) =>
        part && typeof part === 'object' && !Array.isArray(part)
          ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => compare(a, b)))
          : part,
      );
      if (!known.has(key)) known.set(key, list.push(JSON.parse(key)) - 1);
      return known.get(key);
    },
  };
}

function compare(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}
