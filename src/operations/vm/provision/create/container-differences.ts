import { present } from '../../../../core/defined.ts';
import { ipVersion } from '../../../../core/network.ts';
import type { RunRecord } from '../../../../core/plan/run.ts';
import { canonical } from '../../../../core/text/canonical.ts';
import type { Guest } from '../../../../proxmox/guest/guests.ts';
import { parseProperties } from '../../../../proxmox/guest/property-strings.ts';
import { differs } from '../../lib/match.ts';
import { noRecord } from '../differences.ts';

/** The values of a call that a container has and a VM does not. */
interface Asked {
  template?: string | undefined;
  ip?: string | undefined;
  gateway?: string | undefined;
  password?: unknown;
  ssh_keys?: string | undefined;
  nesting: boolean;
  privileged: boolean;
}

/** The values that an existing container has otherwise. Proxmox keeps neither its archive nor its logins: only the run that made it knows. */
export function containerDifferences({ config }: Guest, run: RunRecord | undefined, asked: Asked): string[] {
  const { ip, ip6, gw, gw6 } = parseProperties(config.net0 ?? '', 'name');
  const isSix = (text: string | undefined) => ipVersion((text ?? '').split('/')[0] ?? '') === 6;
  const [hasIp, hasGateway] = [isSix(asked.ip) ? ip6 : ip, isSix(asked.gateway) ? gw6 : gw];
  const privileged = config.unprivileged !== '1';
  const nesting = parseProperties(config.features ?? '', '').nesting === '1';
  const made = run?.operation === 'create_container' ? run : undefined;
  const login = (what: 'password' | 'ssh_keys') =>
    asked[what] !== undefined &&
    (made === undefined || canonical(made.args[what] ?? null) !== canonical(asked[what])) &&
    `${what}: cannot be compared`;
  return present(
    !(asked.ip === undefined || asked.ip.toLowerCase() === hasIp?.toLowerCase()) && differs('ip', asked.ip, hasIp),
    !(asked.gateway === undefined || asked.gateway.toLowerCase() === hasGateway?.toLowerCase()) &&
      differs('gateway', asked.gateway, hasGateway),
    asked.privileged !== privileged && differs('privileged', asked.privileged, privileged),
    // The default is true, so only false was asked for.
    !asked.nesting && nesting && differs('nesting', asked.nesting, nesting),
    archiveDifference(made, asked.template),
    login('password'),
    login('ssh_keys'),
  );
}

function archiveDifference(made: RunRecord | undefined, wanted: string | undefined): string | false {
  if (wanted === undefined) return false;
  const create = made?.plan.steps.find((step) => step.kind === 'request' && step.params.ostemplate !== undefined);
  if (create?.kind !== 'request') return noRecord('template', wanted);
  const volid = String(create.params.ostemplate);
  const isIt = volid === wanted || volid.slice(volid.lastIndexOf('/') + 1).startsWith(wanted);
  return !isIt && differs('template', wanted, volid);
}
