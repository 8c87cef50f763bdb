import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mediaHosts } from '../../../src/config/values.ts';
import type { JsonObject } from '../../../src/core/text/json.ts';
import { checksumOf, fileNameFor, type Kind } from '../../../src/operations/storage/lib/media-file.ts';
import { checkedUrl } from '../../../src/operations/storage/lib/media-url.ts';
import { openWorld as openState } from '../../../src/simulator/world.ts';
import { changeOperation, operationNamed } from '../../helpers/operations.ts';
import { planOf } from '../../helpers/plans.ts';
import { asRoot, tokenWith } from '../../helpers/rights.ts';
import { agent, openWorld, type World } from '../../helpers/world.ts';

const SITE = 'https://images.example.org';
const SUM = 'ab'.repeat(32);
const limits = { maxCpu: 16, maxRamMib: 32_768, maxDiskGib: 500, maxVms: 50, scope: { kind: 'visible' } } as const;
const MIB = 2 ** 20;

let world: World;
beforeEach(async () => {
  world = await openWorld({ limits: { ...limits, mediaHosts: ['*.example.org'] } });
  const state = openState({ file: world.cluster.file, now: Date.now, timeScale: 0.01 });
  const site = (url: string, size: number) => state.put('site', url, { url, size, mimetype: 'x', sums: { sha256: SUM } });
  site(`${SITE}/tools.iso`, 700 * MIB);
  site(`${SITE}/other/tools.iso`, 701 * MIB);
  site(`${SITE}/noble.img`, 512 * MIB);
  site(`${SITE}/huge.iso`, 2 ** 50);
  site('http://images.example.org/plain.iso', MIB);
  state.close();
});
afterEach(() => world.close());

const ISO = { url: `${SITE}/tools.iso`, content: 'iso', storage: 'local' };
const sent = () => world.cluster.mutations().map(({ method, path }) => `${method} ${path}`);
const asked = () => world.cluster.requests.filter(({ path }) => path.includes('query-url-metadata'));
const refusal = (args: object) => world.refused(world.call('download_media', args));

describe('download_media', () => {
  it('lets the node fetch the file, reads the volume back with its size, and names the call that deletes it', async () => {
    const plan = await planOf(world, 'download_media', ISO);
    expect(plan).toMatchObject({ effect: 'change', undo: 'delete_volume {"volume":"local:iso/tools.iso","node":"pve"} (toolset rare)' });
    expect(sent()).toEqual([]);
    const done = await world.done('download_media', { ...ISO, checksum: SUM.toUpperCase() });
    expect(done).toMatchObject({ volume: 'local:iso/tools.iso', node: 'pve', size_gb: 0.684, verified: 'sha256' });
    expect(sent()).toEqual(['POST /nodes/pve/storage/local/download-url']);
    expect(world.cluster.mutations()[0]?.params).toEqual({
      url: ISO.url,
      content: 'iso',
      filename: 'tools.iso',
      'verify-certificates': '1',
      checksum: SUM,
      'checksum-algorithm': 'sha256',
    });
  });

  it('takes two calls to look for space and get an ISO, which the next look at the cluster shows', async () => {
    const before = (await world.done('get_cluster', {})).storages as JsonObject[];
    const [place] = before.filter(({ content, node }) => String(content).split(',').includes('iso') && node === 'pve');
    expect(place).toMatchObject({ storage: 'local', free_gb: expect.any(Number) });
    await world.done('download_media', { ...ISO, storage: place?.storage });
    expect(JSON.stringify(await world.done('get_cluster', {}))).toContain('local:iso/tools.iso');
  });

  it('is sent once when its answer is lost, and found by its task', async () => {
    world.cluster.simulator.faults.add({ match: { method: 'POST', path: 'download-url' }, action: 'reset-after', times: 1 });
    expect(await world.done('download_media', ISO)).toMatchObject({ volume: 'local:iso/tools.iso', size_gb: 0.684 });
    expect(sent()).toHaveLength(1);
  });

  it('sends nothing for a file that exists with the same size, and says that its content was not compared', async () => {
    await world.done('download_media', ISO);
    const again = await world.done('download_media', { ...ISO, checksum: SUM });
    expect(again).toMatchObject({ already: true, volume: 'local:iso/tools.iso', notice: expect.stringContaining('was not compared') });
    expect(sent()).toHaveLength(1);
  });

  it('never overwrites another file of the same name', async () => {
    await world.done('download_media', ISO);
    const error = await refusal({ ...ISO, url: `${SITE}/other/tools.iso`, checksum: SUM });
    expect(error).toMatchObject({ code: 'conflict', message: expect.stringContaining(`${700 * MIB} bytes`) });
    expect(sent()).toHaveLength(1);
  });

  it('refuses every host while the operator has allowed none, contacts no host, and names the setting', async () => {
    const other = world.another({ limits });
    const error = await world.refused(other.perform('download_media', ISO, agent));
    expect(error).toMatchObject({
      code: 'forbidden_by_policy',
      hint: 'Tell the user. The operator allows this host with PROXMOX_MEDIA_HOSTS=images.example.org',
    });
    expect(asked()).toEqual([]);
  });

  it('warns of a file without checksum, and of redirects', async () => {
    const { warnings } = await planOf(world, 'download_media', ISO);
    expect(warnings).toEqual([expect.stringContaining('without a checksum'), expect.stringContaining('follows redirects')]);
  });

  it('stores nothing when the checksum is another one', async () => {
    const error = await refusal({ ...ISO, checksum: 'cd'.repeat(32) });
    expect(error).toMatchObject({ code: 'task_failed', message: expect.stringContaining('checksum mismatch') });
    expect((await world.done('download_media', ISO)).already).toBeUndefined();
  });

  it('refuses a file without enough space before anything is sent', async () => {
    expect(await refusal({ ...ISO, url: `${SITE}/huge.iso` })).toMatchObject({
      code: 'storage_unavailable',
      message: expect.stringContaining('1048576 GiB are needed'),
    });
    expect(sent()).toEqual([]);
  });

  it('refuses a file that its host does not have, in the words of the node', async () => {
    expect(await refusal({ ...ISO, url: `${SITE}/nope.iso` })).toMatchObject({
      code: 'not_possible',
      message: expect.stringContaining('404 File not found'),
    });
    expect(sent()).toEqual([]);
  });

  it('says that the size is unknown where a host does not tell it, and compares no space', async () => {
    const reason = "invalid server response: '405 Method Not Allowed'";
    world.cluster.simulator.faults.add({ match: { path: 'query-url-metadata' }, action: 'status', status: 500, reason });
    const plan = await planOf(world, 'download_media', ISO);
    expect(plan.warnings).toContain('images.example.org does not tell the size, so the free space was not compared');
    expect(plan.space).toBeUndefined();
  });

  it('does not take the end of the task for proof: it waits for the volume in the list, and says when it is missing', async () => {
    const plan = await planOf(world, 'download_media', ISO);
    expect(plan.steps.at(-1)).toMatchObject({
      kind: 'wait',
      until: { kind: 'listed', row: { volid: 'local:iso/tools.iso' }, is: 'present' },
    });
    const { report } = changeOperation('download_media');
    expect(await report(world.cluster.open(), { plan, args: ISO, steps: [] } as never)).toMatchObject({
      notice: 'Proxmox does not list local:iso/tools.iso now',
    });
  });

  it('refuses a storage that does not take the content, and lists those that do', async () => {
    const error = await refusal({ ...ISO, storage: 'local-lvm' });
    expect(error).toMatchObject({ code: 'storage_unavailable', hint: expect.stringContaining('local (') });
  });

  it('calls a cloud image .qcow2, which Proxmox takes for import', async () => {
    const done = await world.done('download_media', { url: `${SITE}/noble.img`, content: 'import', storage: 'local' });
    expect(done.volume).toBe('local:import/noble.qcow2');
  });

  it('takes http only with a strong checksum', async () => {
    const url = 'http://images.example.org/plain.iso';
    expect(await refusal({ ...ISO, url })).toMatchObject({
      code: 'invalid_arguments',
      message: expect.stringContaining('needs a checksum'),
    });
    expect((await refusal({ ...ISO, url, checksum: 'ab'.repeat(16) })).code).toBe('invalid_arguments');
    expect(asked()).toEqual([]);
    expect(await world.done('download_media', { ...ISO, url, checksum: SUM })).toMatchObject({ volume: 'local:iso/plain.iso' });
  });

  it('names the right that is missing before anything is sent', async () => {
    const token = await tokenWith(world.cluster, { '/storage': ['Datastore.AllocateTemplate', 'Datastore.Audit'] });
    const before = sent().length;
    const error = await world.refused(world.another({}, { token }).perform('download_media', ISO, agent));
    expect(error).toMatchObject({ code: 'permission_denied' });
    expect(JSON.stringify(error.details)).toContain('Sys.AccessNetwork');
    expect(sent()).toHaveLength(before);
  });

  it('refuses a second download of one name while the first one runs', async () => {
    // A task of 30 s: the second call comes long before its end.
    const slow = await openWorld({ limits: { ...limits, mediaHosts: ['cdimage.debian.org'] } }, { timeScale: 20 });
    try {
      const { url = '', content = '' } = (operationNamed('download_media').example ?? {}) as Record<string, string>;
      const filename = url.split('/').at(-1) ?? '';
      await asRoot(slow.cluster, 'POST', '/nodes/pve/storage/local/download-url', { url, content, filename });
      const error = await slow.refused(slow.call('download_media', { url, content, storage: 'local' }));
      expect(error).toMatchObject({ code: 'conflict', hint: expect.stringContaining('get_task {"upid":"UPID:pve:') });
      expect(slow.cluster.mutations()).toHaveLength(1);
    } finally {
      await slow.close();
    }
  });
});

describe('an address', () => {
  const allowed = ['cloud.debian.org', '*.example.org', 'mirror.lan:8443', '10.0.0.5', 'localhost'];
  const hostOf = (url: string) => checkedUrl(url, allowed).href;

  it.each([
    'https://cloud.debian.org/a.iso',
    'https://CLOUD.debian.org/a.iso',
    'https://a.b.example.org/a.iso',
    'https://mirror.lan:8443/a.iso',
    'https://10.0.0.5/a.iso',
    'https://localhost/a.iso',
  ])('%s is of an allowed host', (url) => {
    expect(hostOf(url)).toBe(url.replace('CLOUD', 'cloud'));
  });

  it.each([
    ['https://example.org/a.iso', 'forbidden_by_policy'],
    ['https://cloud.debian.org.evil.example/a.iso', 'forbidden_by_policy'],
    ['https://cloud.debian.org:8006/a.iso', 'forbidden_by_policy'],
    ['https://cloud.debian.org./a.iso', 'forbidden_by_policy'],
    ['https://evil.test\\@cloud.debian.org/a.iso', 'forbidden_by_policy'],
    ['https://evil.test/?.example.org', 'forbidden_by_policy'],
    ['https://10.0.0.6/a.iso', 'forbidden_by_policy'],
    ['https://127.0.0.1/a.iso', 'forbidden_by_policy'],
    ['https://2130706433/a.iso', 'forbidden_by_policy'],
    ['https://[::1]/a.iso', 'forbidden_by_policy'],
    ['https://user:pw@cloud.debian.org/a.iso', 'invalid_arguments'],
    ['ftp://cloud.debian.org/a.iso', 'invalid_arguments'],
    ['file:///etc/passwd', 'invalid_arguments'],
    ['cloud.debian.org/a.iso', 'invalid_arguments'],
    ['https://cloud.debian.org/a.iso?X-Amz-Signature=abc', 'invalid_arguments'],
  ])('%s is refused', (url, code) => {
    expect(() => hostOf(url)).toThrow(expect.objectContaining({ code }));
  });

  it('never matches a wildcard by its digits', () => {
    expect(() => checkedUrl('https://192.0.2.5/a.iso', ['*.0.2.5'])).toThrow(expect.objectContaining({ code: 'forbidden_by_policy' }));
  });
});

describe('PROXMOX_MEDIA_HOSTS', () => {
  it('takes names, wildcards, addresses and ports', () => {
    expect(mediaHosts.parse('Cloud.debian.org, *.example.org,10.0.0.5,[2001:db8::1]:8443')).toEqual([
      'cloud.debian.org',
      '*.example.org',
      '10.0.0.5',
      '[2001:db8::1]:8443',
    ]);
  });
  it.each(['*', '*.*.org', 'https://cloud.debian.org', 'cloud.debian.org/path', '*.10.0.0.5', '*.localhost', 'a b'])(
    'refuses %s',
    (value) => {
      expect(mediaHosts.safeParse(value).success).toBe(false);
    },
  );
});

describe('the name of a file', () => {
  const name = (kind: Kind, url: string, wanted?: string) => fileNameFor(kind, new URL(url, SITE), wanted).name;
  it.each<[Kind, string, string]>([
    ['iso', '/a/debian%2013.iso?x=1', 'debian_13.iso'],
    ['import', '/noble.img', 'noble.qcow2'],
    ['vztmpl', '/debian-13-standard_13.1-2_amd64.tar.zst', 'debian-13-standard_13.1-2_amd64.tar.zst'],
    // An OCI image, which Proxmox VE 9.1 takes as a template.
    ['vztmpl', '/nginx_1.29.tar', 'nginx_1.29.tar'],
  ])('of %s %s is %s', (kind, url, expected) => {
    expect(name(kind, url)).toBe(expected);
  });
  it.each<[Kind, string, string?]>([
    ['iso', '/disk.qcow2'],
    ['import', '/disk.qcow2.xz'],
    ['vztmpl', '/a.zip'],
    ['iso', '/'],
    ['iso', '/a.iso', '../x.iso'],
    ['iso', '/a.iso', 'a b.iso'],
    ['import', '/a.img', 'a.img'],
  ])('%s %s %s is refused', (kind, url, wanted) => {
    expect(() => name(kind, url, wanted)).toThrow(expect.objectContaining({ code: 'invalid_arguments' }));
  });
});

it('the algorithm of a checksum follows from its length', () => {
  expect(checksumOf('AB'.repeat(64))).toEqual({ checksum: 'ab'.repeat(64), algorithm: 'sha512', strong: true });
  expect(() => checksumOf('abc')).toThrow(expect.objectContaining({ code: 'invalid_arguments' }));
});
