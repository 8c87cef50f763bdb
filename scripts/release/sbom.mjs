/**
 * A bill of materials in CycloneDX 1.6: what is in the bundle, and what npm installs beside it. It has neither a time nor a random number, so the same
 * source gives the same file.
 * @param pkg package.json
 * @param lock package-lock.json
 * @param bundled `{name, version, license, path}` of each package in the bundle; `path` is its key in the lock file
 */
export function sbom(pkg, lock, bundled) {
  const installed = installedPackages(lock);
  const components = [
    ...bundled.map((one) => component({ ...one, integrity: lock.packages[one.path]?.integrity }, 'required')),
    ...installed.map((one) => component(one, 'optional')),
  ];
  const unique = [...new Map(components.map((one) => [one['bom-ref'], one])).values()].sort((a, b) =>
    a['bom-ref'] < b['bom-ref'] ? -1 : 1,
  );
  const { name, version, description, license } = pkg;
  const purl = `pkg:npm/${name}@${version}`;
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: { component: { type: 'application', 'bom-ref': purl, name, version, description, purl, licenses: licences(license) } },
    components: unique,
    dependencies: [{ ref: purl, dependsOn: unique.map((one) => one['bom-ref']) }, ...unique.map((one) => ({ ref: one['bom-ref'] }))],
  };
}

function component({ name, version, license, integrity }, scope) {
  const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`;
  const hash = /^sha512-(.+)$/.exec(integrity ?? '')?.[1];
  return {
    type: 'library',
    'bom-ref': purl,
    name,
    version,
    scope,
    ...(hash ? { hashes: [{ alg: 'SHA-512', content: Buffer.from(hash, 'base64').toString('hex') }] } : {}),
    ...(license ? { licenses: licences(license) } : {}),
    purl,
  };
}

function licences(license) {
  return /[ ()]/.test(license) ? [{ expression: license.replace(/^\((.*)\)$/, '$1') }] : [{ license: { id: license } }];
}

/** The packages that `npm install` brings at run time, over all versions of Node: the optional dependencies and theirs. */
function installedPackages({ packages }) {
  const found = new Map();
  const visit = (from, name) => {
    const path = resolve(packages, from, name);
    if (path === undefined || found.has(path)) return;
    const entry = packages[path];
    found.set(path, { name: entry.name ?? name, ...entry });
    for (const next of Object.keys({ ...entry.dependencies, ...entry.optionalDependencies })) visit(path, next);
  };
  for (const name of Object.keys(packages[''].optionalDependencies)) visit('', name);
  return [...found.values()];
}

/** Where Node finds a package from a folder: in its node_modules, or in that of a folder above. */
function resolve(packages, from, name) {
  for (let folder = from; ; folder = folder.replace(/(^|\/)[^/]*$/, '')) {
    const path = `${folder === '' ? '' : `${folder}/`}node_modules/${name}`;
    const entry = packages[path];
    if (entry) return entry.link ? entry.resolved : path;
    if (folder === '') return undefined;
  }
}
