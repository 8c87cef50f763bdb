import { defined } from '../../core/defined.ts';
import { fail } from '../../core/errors/errors.ts';

/** The items of a list in one text, as the API takes and answers it: `105,106`, `vm:101;ct:200`, `web prod`. */
export function itemsOf(list: string | undefined): string[] {
  return (list ?? '').split(/[,;\s]+/).filter((item) => item !== '');
}

/** A property string in order: `{ virtio: 'BC:24:…', bridge: 'vmbr0' }`. */
export type Properties = Record<string, string>;

/**
 * Reads `net0`, `scsi0`, `agent`, `ipconfig0` and the like: comma-separated `key=value`, of which one may stand without its key.
 * @param bare name given to the part without `=`, e.g. `volume` for disks, `enabled` for the agent
 */
export function parseProperties(text: string, bare: string): Properties {
  const properties: Properties = {};
  for (const part of text.split(',')) {
    const at = part.indexOf('=');
    if (at >= 0) properties[part.slice(0, at)] = part.slice(at + 1);
    else if (part !== '') properties[bare] = part;
  }
  return properties;
}

/**
 * The inverse of parseProperties. Throws `invalid_arguments` for a value that would add a property of its own.
 * @param bare property written without its name; it comes first
 */
export function formatProperties(properties: Properties, bare?: string): string {
  const { [bare ?? '']: first, ...rest } = properties;
  const parts = Object.entries(rest).map(([name, value]) => `${name}=${clean(value)}`);
  return (first === undefined ? parts : [clean(first), ...parts]).join(',');
}

function clean(value: string): string {
  if (/[,\r\n]/.test(value)) fail('invalid_arguments', `'${value.slice(0, 60)}' must not contain a comma or a line break.`);
  return value;
}

/** A network device: `virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=20`. */
interface Net {
  model: string;
  mac?: string;
  /** bridge, tag, firewall, rate, mtu, queues, link_down, trunks, … */
  options: Properties;
}

/** Reads a VM's netN. Containers write `name=eth0,hwaddr=…` instead, for which parseProperties does. */
export function parseNet(text: string): Net {
  const { model: named, macaddr, ...rest } = parseProperties(text, 'model');
  const short = Object.keys(rest).find((name) => MODELS.has(name));
  const mac = macaddr ?? (short === undefined ? undefined : rest[short]);
  if (short !== undefined) delete rest[short];
  return { model: named ?? short ?? '', ...defined({ mac }), options: rest };
}

const MODELS = new Set(
  'e1000 e1000-82540em e1000-82544gc e1000-82545em e1000e i82551 i82557b i82559er ne2k_isa ne2k_pci pcnet rtl8139 virtio vmxnet3'.split(
    ' ',
  ),
);

const UNITS: Record<string, number> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** `32G`, `512M`, `528K`, `1.5T`, or bytes, in GiB. Undefined for anything else. */
export function parseSizeGib(text: string): number | undefined {
  const found = /^(\d+(?:\.\d+)?)([KMGT]?)$/.exec(text);
  const unit = UNITS[found?.[2] ?? ''];
  return found && unit !== undefined ? (Number(found[1]) * unit) / 2 ** 30 : undefined;
}

/** GiB as resize wants it: absolute, so that a repeated request changes nothing. */
export function formatSizeGib(gib: number): string {
  return Number.isInteger(gib) ? `${gib}G` : `${Math.ceil(gib * 1024)}M`;
}

/** Whether the guest agent is enabled: `1`, `enabled=1,…`. */
export function agentEnabled(agent: unknown): boolean {
  const value = parseProperties(String(agent ?? '0'), 'enabled').enabled ?? '0';
  return ['1', 'on', 'yes', 'true'].includes(value.toLowerCase());
}

/** A guest's options as text, whatever JSON type Proxmox answered with: it answers `cores` with a number and `memory` with a string. */
export type Options = Record<string, string>;

export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}

/**
 * The options in a guest's configuration file. Its later sections are snapshots. Proxmox ends a line at a line feed alone, where a pattern of
 * JavaScript with `m` also ends it at a carriage return: a value with one could hide the options behind it.
 */
export function optionsInFile(text: string): Options {
  const [head = ''] = text.split(/(?:^|\n)\[/);
  const lines = head.split('\n').map((line) => /^([a-z][\w-]*):[ \t]*(.*)$/s.exec(line));
  return optionsOf(lines.flatMap((line) => (line ? [[line[1] ?? '', line[2]?.trimEnd()] as const] : [])));
}

/** Pairs without a value are left out. */
export function optionsOf(pairs: readonly (readonly [string, unknown])[]): Options {
  const options: Options = {};
  for (const [key, value] of pairs) {
    const text = textOf(value);
    if (text !== undefined) options[key] = text;
  }
  return options;
}
