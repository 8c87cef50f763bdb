import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { usualFile } from '../../config/load.ts';
import { fail } from '../../core/errors/errors.ts';
import { isObject, type Json, type JsonObject } from '../../core/text/json.ts';
import { nearest } from '../../core/text/nearest.ts';
import { CLIENTS, type Configuration, type Connection, type McpClient, TOKEN_PLACEHOLDER } from '../lib/clients.ts';
import { type GlobalOptions, settingsFile } from '../lib/options.ts';
import { writeWhole } from '../lib/write-file.ts';
import { type Exit, note, print, printJson, printResult, wantsJson } from '../terminal/output.ts';

export const CLIENT_NAMES = Object.keys(CLIENTS);

interface ClientConfigOptions extends GlobalOptions {
  /** Address of a server that runs `http`. */
  url?: string;
  write?: true;
}

/** `client-config`: the configuration of one client, with absolute paths, so that it works from any folder. */
export function clientConfig(name: string, options: ClientConfigOptions): Exit {
  const made = configurationFor(name, options);
  if (options.write) {
    const file = writeConfiguration(name, made);
    printResult({ client: name, file }, `Written to ${file}. Restart the client.`);
    return 0;
  }
  if (made.format === 'json') printJson(made.value);
  else if (wantsJson()) printJson({ client: name, format: made.format, configuration: made.text });
  else print(made.text);
  note(`\nThis goes into ${clientOf(name).where}`);
  noteCredentials(made, options);
  if (VERSIONED_NODE.test(process.execPath)) note('It names this version of Node. Run this again after an upgrade of Node.');
  return 0;
}

export function clientOf(name: string): McpClient {
  const client = CLIENTS[name];
  if (client) return client;
  return fail('invalid_arguments', unknownClient(name), { hint: `Choose one of: ${CLIENT_NAMES.join(', ')}.` });
}

export function unknownClient(name: string): string {
  const similar = nearest(name, CLIENT_NAMES, 2).join(' or ');
  return `Unknown client "${name.slice(0, 60)}".${similar ? ` Did you mean ${similar}?` : ''}`;
}

export function configurationFor(name: string, options: ClientConfigOptions): Configuration {
  const client = clientOf(name);
  const one = connectionOf(client, options);
  const made = one.kind === 'stdio' ? client.stdio?.(one) : client.http?.(one);
  if (made) return made;
  return fail('invalid_arguments', `${name} starts no programs. It reaches servers by their address only.`, {
    hint: `Run \`proxmox-mcp http\` where it can be reached, then: proxmox-mcp client-config ${name} --url https://HOST/mcp`,
  });
}

function connectionOf(client: McpClient, { url, demo, ...options }: ClientConfigOptions): Connection {
  const name = demo ? 'proxmox-demo' : 'proxmox';
  if (url === undefined) {
    const file = settingsFile(options);
    const more = [...(demo ? ['--demo'] : []), ...(file === undefined ? [] : ['--settings', resolve(file)])];
    return { kind: 'stdio', name, command: process.execPath, args: [entryFile(), 'stdio', ...more] };
  }
  if (demo) fail('invalid_arguments', '--url and --demo exclude each other: the server at the address decides.');
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    fail('invalid_arguments', '--url must be an http:// or https:// address.');
  const address = new URL(url);
  if (address.pathname === '/') address.pathname = '/mcp';
  if (client.http) return { kind: 'http', name, url: address.href };
  return { kind: 'stdio', name, command: process.execPath, args: [entryFile(), 'connect', address.href, '--token-file', tokenFile()] };
}

function tokenFile(): string {
  return join(dirname(usualFile()), 'token');
}

/** Folders of managers of Node versions: an upgrade removes the program from there. */
const VERSIONED_NODE = /[/\\](\.?nvm|\.?fnm|\.volta|\.asdf|mise|n)[/\\].*[/\\]/;

/** Says where the secrets come from. The client's file holds one only where the client allows nothing else. */
function noteCredentials(made: Configuration, { url, demo, ...options }: ClientConfigOptions): void {
  const text = made.format === 'json' ? JSON.stringify(made.value) : made.text;
  const file = settingsFile(options);
  if (demo) note('It runs on the embedded cluster and needs no settings.');
  else if (url === undefined) {
    const settings = file === undefined ? usualFile() : resolve(file);
    note(`The server reads its settings from ${settings} (chmod 600). The client's file holds no secret.`);
    if (!existsSync(settings)) note('  PROXMOX_HOST=192.168.1.10\n  PROXMOX_TOKEN_ID=mcp@pve!agent\n  PROXMOX_TOKEN_SECRET=…');
  } else {
    note('Create an access token where the server runs: proxmox-mcp tokens add --name NAME --role operator');
    if (text.includes(TOKEN_PLACEHOLDER)) note(`Put it in place of ${TOKEN_PLACEHOLDER}, and let no other user read the file.`);
    else if (text.includes('PROXMOX_MCP_TOKEN')) note('The client reads it from the variable or secret PROXMOX_MCP_TOKEN.');
    else if (text.includes(tokenFile())) note(`Write it to ${tokenFile()} (chmod 600).`);
  }
}

/**
 * Puts the entry into the client's own file, beside what is there.
 * @returns the file
 */
export function writeConfiguration(name: string, made: Configuration): string {
  const { file: place, where } = clientOf(name);
  if (made.format !== 'json' || place === undefined) {
    return fail('invalid_arguments', `The configuration of ${name} cannot be written by this command.`, {
      hint: `Leave out --write, and put what it prints into ${where}`,
    });
  }
  const file = place();
  writeWhole(file, `${JSON.stringify(merge(readJson(file), made.value), undefined, 2)}\n`);
  return file;
}

function readJson(file: string): JsonObject {
  if (!existsSync(file)) return {};
  try {
    const text = readFileSync(file, 'utf8');
    const value = text.trim() === '' ? {} : (JSON.parse(text) as Json);
    if (isObject(value)) return value;
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
  }
  return fail('invalid_configuration', `${file} is not plain JSON, so it was not changed.`, {
    hint: 'Leave out --write, and merge what it prints by hand.',
  });
}

/** Members are merged. An entry of the same name is replaced. */
function merge(into: JsonObject, value: JsonObject): JsonObject {
  const merged: JsonObject = { ...into };
  for (const [member, item] of Object.entries(value)) {
    const present = merged[member];
    merged[member] = isObject(present) && isObject(item) ? { ...present, ...item } : item;
  }
  return merged;
}

/** The file that runs now, links resolved: a client starts it from anywhere. */
export function entryFile(): string {
  return realpathSync(process.argv[1] ?? '');
}
