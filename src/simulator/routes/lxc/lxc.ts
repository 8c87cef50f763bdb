import type { Routes } from '../../context.ts';
import type { Kinds } from '../../tasks.ts';
import { destroy } from '../qemu/destroy.ts';
import { CLONE_CT_KINDS, CLONE_CT_ROUTES } from './clone.ts';
import { CONFIG_CT_KINDS, CONFIG_CT_ROUTES } from './config.ts';
import { CREATE_CT_KINDS, CREATE_CT_ROUTES } from './create.ts';
import { POWER_CT_KINDS, POWER_CT_ROUTES } from './power.ts';

const INDEX = ['config', 'pending', 'status', 'vncproxy', 'termproxy', 'vncwebsocket', 'spiceproxy', 'migrate', 'clone', 'snapshot'].concat(
  ['resize', 'move_volume', 'rrd', 'rrddata', 'firewall', 'feature', 'template', 'interfaces', 'remote_migrate'],
);

export const LXC_KINDS: Kinds = { ...CLONE_CT_KINDS, ...CONFIG_CT_KINDS, ...CREATE_CT_KINDS, ...POWER_CT_KINDS };

export const LXC_ROUTES: Routes = {
  ...CLONE_CT_ROUTES,
  ...CONFIG_CT_ROUTES,
  ...CREATE_CT_ROUTES,
  ...POWER_CT_ROUTES,
  'GET /nodes/{node}/lxc/{vmid}': () => INDEX.map((subdir) => ({ subdir })),
  'DELETE /nodes/{node}/lxc/{vmid}': (context) => destroy(context, 'lxc'),
};
