import type { Params } from '../../../../core/plan/plan.ts';
import { plainText } from '../../../../core/text/text.ts';
import { type Options, parseProperties } from '../../../../proxmox/guest/property-strings.ts';
import { addressWarnings, type StaticAddress, staticIn } from '../../lib/static-addresses.ts';
import { type CloudInit, ipconfigsOf } from './cloud-init.ts';

/**
 * @param asked the values of this call
 * @param config the options that the guest will have
 */
export function cloudInitWarnings(asked: CloudInit, config: Options | Params): string[] {
  const custom = parseProperties(typeof config.cicustom === 'string' ? config.cicustom : '', '');
  const users = (['user', 'password', 'sshkeys', 'ciupgrade'] as const).filter((key) => asked[key] !== undefined);
  const networks = Object.keys(asked).filter((key) => /^(ipconfig\d+|nameserver|searchdomain)$/.test(key));
  const noLogin = config.cipassword === undefined && config.sshkeys === undefined && custom.user === undefined;
  return [
    ...(noLogin ? ['cloud-init has neither a password nor SSH keys, so no user can log in'] : []),
    ...(custom.user !== undefined && users.length > 0 ? [replaced('user', custom.user, users)] : []),
    ...(custom.network !== undefined && networks.length > 0 ? [replaced('network', custom.network, networks)] : []),
    ...ipconfigsOf(asked)
      .map(([key]) => ({ key, card: key.replace('ipconfig', 'net') }))
      .filter(({ card }) => config[card] === undefined)
      .map(({ key, card }) => `${key} has no effect: the guest has no network card ${card}`),
    ...addressWarnings(addressesOfCloudInit(asked)),
  ];
}

function replaced(what: string, file: string, ignored: readonly string[]): string {
  return `the guest's cicustom (${what}=${plainText(file, 80)}) replaces ${what} data: ${ignored.join(', ')} ${ignored.length === 1 ? 'is' : 'are'} ignored`;
}

/** The fixed addresses that a call gives. */
export function addressesOfCloudInit(asked: CloudInit = {}): StaticAddress[] {
  return ipconfigsOf(asked).flatMap(([key, text]) => staticIn(key, text));
}
