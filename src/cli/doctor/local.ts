import { accessSync, constants, existsSync, mkdirSync, statSync } from 'node:fs';
import { describePlace } from '../../audit/anchor-send.ts';
import { verifyAudit } from '../../audit/verify.ts';
import { isOfCluster } from '../../config/clusters.ts';
import { type Config, describe, VARIABLES, type Variable } from '../../config/schema.ts';
import type { Settings } from '../../core/settings/settings.ts';
import { counted } from '../../core/text/text.ts';
import { type Verified, verifyAuditOf } from '../commands/audit.ts';
import { dataFolderWriters } from '../lib/data-folder.ts';
import type { Configured } from '../lib/options.ts';
import { type Check, failed, faultOf, ok, warn } from './check.ts';

/** All limits, the approval method, and every setting that is not at its default, with where each comes from. Secrets are never shown. */
export function settingRows({ loaded, settings }: Configured): { variable: string; value: string; source: string }[] {
  const rows = rowsOf(loaded);
  if (!settings.clusters || !loaded.clusters || settings.demo) return rows;
  const each = [...loaded.clusters()].flatMap(([name, config]) => rowsOf({ config, sources: sourcesOf(name, config, loaded) }, name));
  return [...each, ...rows.filter(({ variable }) => !isOfCluster(variable as Variable))];
}

/** A value of a cluster that differs from the default is that of the file, or of a ceiling below it. */
function sourcesOf(name: string, config: Config, { config: defaults }: Configured['loaded']): Record<Variable, string> {
  const isGiven = (variable: Variable) => isOfCluster(variable) && JSON.stringify(config[variable]) !== JSON.stringify(defaults[variable]);
  const from = `${name} in ${defaults.PROXMOX_CLUSTERS_FILE}`;
  return Object.fromEntries(VARIABLES.map((variable) => [variable, isGiven(variable) ? from : 'default'])) as Record<Variable, string>;
}

function rowsOf({ config, sources }: Pick<Configured['loaded'], 'config' | 'sources'>, cluster?: string) {
  const isShown = (name: Variable) => sources[name] !== 'default' || describe(name).section === 'Limits' || name === 'PROXMOX_APPROVAL';
  return VARIABLES.filter((name) => isShown(name) && (cluster === undefined || isOfCluster(name))).map((name) => ({
    variable: cluster === undefined ? name : `${cluster}: ${name}`,
    value: describe(name).secret ? '(set)' : valueText(config[name]),
    source: sources[name],
  }));
}

function valueText(value: unknown): string {
  if (value === undefined) return 'no limit';
  if (Array.isArray(value)) return value.map(valueText).join(', ');
  return typeof value === 'object' && value !== null ? Object.values(value).join(':') : String(value);
}

/** Checks that need no cluster: settings, files, approvals. */
export async function localChecks({ settings, loaded }: Configured): Promise<Check[]> {
  return [...loaded.notes.map((text) => warn('settings', text)), dataFolder(settings), await auditTrail(settings), approvalMode(settings)];
}

function dataFolder({ dataDir }: Settings): Check {
  const name = 'data folder';
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    accessSync(dataDir, constants.W_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return failed(name, `${dataDir} cannot be written (${code}).`, 'Set PROXMOX_DATA_DIR to a folder of your own.');
  }
  const next = `chmod 700 ${dataDir}`;
  if (dataFolderWriters(dataDir) === 'group')
    return warn(name, `The group of ${dataDir} can write into it: its members can replace the store, the key and the audit.`, next);
  if ((statSync(dataDir).mode & 0o077) !== 0) return warn(name, `Other users can look into ${dataDir}.`, next);
  return ok(name, dataDir);
}

async function auditTrail(settings: Settings): Promise<Check> {
  const { auditFile, auditAnchor } = settings;
  const name = 'audit';
  const second = auditAnchor ? `; checkpoints go to ${describePlace(auditAnchor)}` : '; no checkpoints elsewhere (PROXMOX_AUDIT_ANCHOR)';
  if (!existsSync(auditFile) && !(auditAnchor?.kind === 'file' && existsSync(auditAnchor.path)))
    return ok(name, `${auditFile}, nothing recorded yet${second}`);
  try {
    const none = auditAnchor?.kind === 'file' && !existsSync(auditAnchor.path);
    const { count, problems, anchor }: Verified = none ? await verifyAudit(auditFile) : await verifyAuditOf(settings);
    const wrong = problems.length + (anchor?.problems.length ?? 0);
    if (wrong === 0 && none)
      return warn(name, `${counted(count, 'record')}, and no checkpoint exists: none was created yet, or they were removed${second}`);
    if (wrong === 0) return ok(name, `${counted(count, 'record')}, none changed: ${auditFile}${second}`);
    return failed(name, `${counted(count, 'record')}, not intact: ${auditFile}${second}`, 'proxmox-mcp audit verify');
  } catch (error) {
    return faultOf(name, error);
  }
}

const MODES = {
  relay: 'method relay. The agent passes on the user’s yes, and no human is verified',
  auto: 'method auto. The client or the terminal asks the human. Where neither can, the agent passes on the yes',
  human: 'method human. A human decides in a terminal of the operator or in the console',
};

function approvalMode({ approval, dataDir }: Settings): Check {
  const name = 'approvals';
  const text = `${MODES[approval.mode]}. Approvals expire after ${approval.ttlSeconds} s`;
  // A process of this user can write the database and the settings, so no check here can stop it.
  const own = process.getuid !== undefined && existsSync(dataDir) && statSync(dataDir).uid === process.getuid();
  if (!own) return ok(name, text);
  return {
    name,
    state: 'note',
    text: `${text}. They are advisory for any agent that has a shell as this user: it could change the files of this server.`,
    next: 'Run the server as a user of its own if the agent is not trusted (docs/security.md).',
  };
}
