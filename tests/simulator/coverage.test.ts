import { expect, it } from 'vitest';
import { readData } from '../../src/simulator/data.ts';
import { ROUTES } from '../../src/simulator/routes/index.ts';

const contract = JSON.parse(readData('contract.json')) as { methods: Record<string, Record<string, unknown>> };
const all = Object.entries(contract.methods).flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method} ${path}`));

/** Methods that the simulator answers with 501, by the reason. The first that fits counts. */
const LEFT_OUT: [RegExp, string][] = [
  [/console|vnc|termproxy|spice|mtunnel|monitor$|\/execute$|remote_migrate|dbus-vmstate/, 'channels around the API, which no tool opens'],
  [
    /\/access\/(openid|ticket|password|vncticket|tfa)|unlock-tfa|\/users\/\{userid\}\/tfa/,
    'passwords, tickets, second factors: the simulator knows tokens only',
  ],
  [/\/access\/domains|realm-sync/, 'other realms than the two built-in ones'],
  [/\/ceph/, 'there is no Ceph'],
  [/\/acme|\/certificates/, 'certificates are fixed'],
  [
    /\/sdn\/(fabrics|controllers|dns|ipams|dry-run)|\/vnets\/\{vnet\}\/(ips|firewall)|\/nodes\/\{node\}\/sdn/,
    'routing, addresses and firewalls of virtual networks',
  ],
  [/\/(mapping|custom-cpu-models|hardware|cpu-flags)|\/cluster\/qemu$/, 'there is no hardware to map'],
  [/\/disks\/|\/scan\/|file-restore|oci-registry|oci-repo|\/identity$/, 'the world outside the nodes and their partitioning'],
  [/\/cluster\/config|\/ha\/groups|\/ha\/status|\/cluster\/ha$/, 'joining nodes, fencing, and groups that are rules since 9.0'],
  [/\/rrd$|\/report$|changelog|repositories|subscription$/, 'pictures, reports and package sources'],
  [/\/metrics\/server|matcher-field/, 'where metrics and notifications go outside'],
  [/\/(dns|time|hosts|wakeonlan)$|\/capabilities/, 'settings of the host'],
  [/agent\/suspend|content\/\{volume\}$/, 'root alone, or the guest goes to sleep by itself'],
];

const left = all.filter((name) => !(name in ROUTES));

it('simulates no method that the contract does not have', () => {
  expect(Object.keys(ROUTES).filter((name) => !all.includes(name))).toEqual([]);
});

it('leaves methods out for a reason', () => {
  expect(left.filter((name) => !LEFT_OUT.some(([pattern]) => pattern.test(name)))).toEqual([]);
  expect(LEFT_OUT.filter(([pattern]) => !left.some((name) => pattern.test(name))).map(([, reason]) => reason)).toEqual([]);
});

it('simulates most of them', () => {
  expect(all.length - left.length).toBeGreaterThan(415);
});
