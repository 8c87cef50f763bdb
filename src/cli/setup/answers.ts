import { readIfThere } from '../../config/own-file.ts';
import { fail } from '../../core/errors/errors.ts';
import { TOOLSETS, type Toolset } from '../../core/settings/toolset.ts';
import type { TokenPlan } from '../../operations/token-setup.ts';
import { wholeNumber } from '../lib/options.ts';
import { type OutputOptions, tell } from '../terminal/output.ts';
import { ask, askHidden, hasTerminal } from '../terminal/terminal.ts';

/** Every question has an option, for scripts. */
export interface SetupOptions extends OutputOptions {
  demo?: true;
  cluster?: string;
  host?: string;
  fingerprint?: string;
  toolsets?: string;
  tokenId?: string;
  tokenFile?: string;
  pool?: string;
  nodes?: string;
  storages?: string;
  bridges?: string;
  templates?: string;
  pve: string;
  client?: string;
  write?: true;
  settings?: string;
  force?: true;
}

/** The option, else what a person types, else the default. Without all three it fails, and names the option. */
export async function answer(option: string, given: string | undefined, question: string, usual?: string): Promise<string> {
  if (given !== undefined) return given;
  if (!hasTerminal()) return usual ?? fail('invalid_arguments', `${option} is missing, and no terminal is attached to ask for it.`);
  const typed = (await ask(`${question}${usual ? ` [${usual}]` : ''}: `)).trim();
  return typed || (usual ?? fail('invalid_arguments', `${option} is missing. Nothing was changed.`));
}

/** The purpose of the token. Names are checked, because they become words of commands for root. */
export async function tokenPlan(options: SetupOptions): Promise<TokenPlan> {
  const toolsets = await names('--toolsets', options.toolsets, `Groups of tools (${TOOLSETS.join(', ')}, all)`, 'everyday');
  const unknown = toolsets.find((one) => one !== 'all' && !TOOLSETS.includes(one as Toolset));
  if (unknown !== undefined) fail('invalid_arguments', `${unknown} is not a group of tools. The groups: ${TOOLSETS.join(', ')}, all.`);
  const tokenId = await answer('--token-id', options.tokenId, 'API token to create', 'mcp@pve!agent');
  if (!/^[\w.+-]+@[\w.-]+![A-Za-z][\w.-]+$/.test(tokenId)) fail('invalid_arguments', '--token-id must have the form user@realm!name.');
  const [pool = '', another] = await names('--pool', options.pool, 'Pool of its guests', 'agents');
  if (another !== undefined) fail('invalid_arguments', '--pool must name one pool: it is the boundary of the token.');
  const nodes = await names('--nodes', options.nodes, 'Nodes', 'pve');
  const storageQuestion = 'Storages: first the one for disks, then those with images';
  const storages = await names('--storages', options.storages, storageQuestion, 'local-lvm,local');
  const bridges = await names('--bridges', options.bridges, 'Bridges', 'vmbr0');
  const templates = await names('--templates', options.templates, 'VMIDs of templates outside of the pool', '');
  const wrong = templates.find((one) => !/^[1-9]\d{2,8}$/.test(one));
  if (wrong !== undefined) fail('invalid_arguments', `--templates: ${wrong.slice(0, 60)} is not a VMID. Separate VMIDs with commas.`);
  const major = wholeNumber('--pve (major version of Proxmox VE)', options.pve, 8, 9);
  const chosen = toolsets.includes('all') ? TOOLSETS : (toolsets as Toolset[]);
  return { toolsets: chosen, tokenId, pool, nodes, storages, bridges, templates, major };
}

/** @param usual the default; where it is empty, there may be no name at all. An empty name in a path of `pveum` would mean all of its kind. */
async function names(option: string, given: string | undefined, question: string, usual: string): Promise<string[]> {
  const all = (await answer(option, given, question, usual)).split(',').flatMap((one) => one.trim() || []);
  const wrong = all.find((one) => !/^[A-Za-z0-9][\w.-]*$/.test(one));
  if (wrong !== undefined) fail('invalid_arguments', `${option}: ${wrong.slice(0, 60)} is not a name. Separate names with commas.`);
  if (all.length === 0 && usual !== '') fail('invalid_arguments', `${option} must name at least one. Its default is ${usual}.`);
  return all;
}

/** Whether there is a secret, or a person to ask for it. Without both, setup only prints the lines that create the token. */
export function canGetSecret({ tokenFile }: SetupOptions): boolean {
  return tokenFile !== undefined || Boolean(process.env.PROXMOX_TOKEN_SECRET) || hasTerminal();
}

/** The secret from a file or a terminal, never from the command line, which other users can see. */
export async function tokenSecret({ tokenFile }: SetupOptions): Promise<string> {
  if (tokenFile !== undefined)
    return secretIn(
      readIfThere(tokenFile) ??
        fail('invalid_configuration', `--token-file ${tokenFile} does not exist.`, {
          hint: 'Correct --token-file. It names the file with the secret of the token.',
        }),
    );
  if (process.env.PROXMOX_TOKEN_SECRET) return secretIn(process.env.PROXMOX_TOKEN_SECRET);
  for (;;) {
    const typed = await askHidden('Secret of the token, the value in the last line of `user token add` (hidden as you type): ');
    if (typed.trim() === '' || SECRET.test(typed.trim())) return secretIn(typed);
    tell('This is not the secret of an API token, which is a UUID. Try again, or press Enter to stop.');
  }
}

const SECRET = /^[\w-]{8,128}$/;

function secretIn(text: string): string {
  const secret = text.trim();
  if (secret === '') {
    fail('invalid_arguments', 'No secret was given. Nothing was changed.', {
      hint: 'Run the lines that create the token, then run setup again with the secret that they print.',
    });
  }
  return SECRET.test(secret) ? secret : fail('invalid_arguments', 'This is not the secret of an API token. Nothing was changed.');
}
