import { defined } from '../../../../core/defined.ts';
import { fail } from '../../../../core/errors/errors.ts';
import type { Params } from '../../../../core/plan/plan.ts';
import type { ProxmoxVersion } from '../../../../core/proxmox.ts';
import { plainText } from '../../../../core/text/text.ts';
import type { Guest } from '../../../../proxmox/guest/guests.ts';
import { sortedTags } from '../../lib/tags.ts';
import { label } from '../../lib/target.ts';
import { cloudInitParams } from '../cloud-init/cloud-init.ts';
import { cloudInitWarnings } from '../cloud-init/warnings.ts';
import { DEFAULTS } from '../create/params.ts';
import type { CloneArgs } from './input.ts';

interface CloneConfig {
  params: Params;
  /** The part that can be read back. */
  proof: Record<string, string>;
  choices: string[];
  warnings: string[];
}

/**
 * The configuration set on a clone before it starts. Proxmox copies tags, notes, protection, onboot and cloud-init of the source. Warnings name
 * what the clone inherits; protection and onboot are switched off.
 */
export function cloneConfig(source: Guest, args: CloneArgs, version: ProxmoxVersion): CloneConfig {
  const { config } = source;
  const hasDrive = source.disks.some((d) => d.media === 'cloudinit');
  if (args.cloud_init && !hasDrive) {
    fail('not_possible', `${label(source)} has no cloud-init drive, so cloud_init would have no effect.`, {
      hint: 'Choose a template with cloud-init, or leave cloud_init out.',
    });
  }
  const dhcp =
    args.cloud_init && args.cloud_init.ipconfig0 === undefined && config.ipconfig0 === undefined ? { ipconfig0: DEFAULTS.ipconfig0 } : {};
  const cloudInit: Params = args.cloud_init ? { ...dhcp, ...cloudInitParams(args.cloud_init, version) } : {};
  const cleared = (['onboot', 'protection'] as const).filter((key) => config[key] === '1');
  // Proxmox: "balloon value too large (must be smaller than assigned memory)".
  const balloon = args.memory !== undefined && Number(config.balloon ?? 0) > args.memory ? { balloon: args.memory } : {};
  const plain: Params = {
    ...(args.cores === undefined || String(args.cores) === (config.cores ?? '1') ? {} : { cores: args.cores }),
    ...defined({ memory: args.memory }),
    ...balloon,
    ...(args.tags === undefined || args.tags.length === 0 ? {} : { tags: sortedTags(args.tags) }),
  };
  const params = { ...plain, ...cloudInit, ...Object.fromEntries(cleared.map((key) => [key, false])) };
  return {
    params,
    proof: Object.fromEntries(Object.entries(plain).map(([key, value]) => [key, String(value)])),
    choices: [
      ...cleared.map((key) => `${key}: off (a clone does not take it over)`),
      ...('balloon' in balloon ? [`balloon: ${args.memory} (the ${config.balloon} of the source are more than the memory)`] : []),
      ...('ipconfig0' in dhcp ? [`ipconfig0: ${DEFAULTS.ipconfig0} (default)`] : []),
    ],
    warnings: hasDrive
      ? [...inherited(source, args, cloudInit), ...cloudInitWarnings(args.cloud_init ?? {}, { ...config, ...cloudInit })]
      : inherited(source, args, cloudInit),
  };
}

function inherited(source: Guest, args: CloneArgs, cloudInit: Params): string[] {
  const { config, tags } = source;
  const addresses = Object.keys(config).filter(
    (key) => /^ipconfig\d+$/.test(key) && !(key in cloudInit) && /(^|,)ip6?=(?!dhcp|auto)/.test(config[key] ?? ''),
  );
  return [
    ...(config.cipassword !== undefined && !('cipassword' in cloudInit) ? ['inherits the cloud-init password of the source'] : []),
    ...(config.sshkeys !== undefined && !('sshkeys' in cloudInit) ? ['inherits the SSH keys of the source'] : []),
    ...addresses
      .sort()
      .map(
        (key) =>
          `inherits the static address ${plainText(config[key] ?? '', 80)} (${key}): two guests with one address in one network disturb each other`,
      ),
    ...(tags.length > 0 && !args.tags?.length ? [`inherits the tags ${tags.map((tag) => plainText(tag, 40)).join(', ')}`] : []),
  ];
}
