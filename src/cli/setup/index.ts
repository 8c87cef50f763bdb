import { existsSync } from 'node:fs';
import { loadConfig, usualFile } from '../../config/load.ts';
import { toSettings } from '../../config/settings.ts';
import { defined } from '../../core/defined.ts';
import { asError, fail } from '../../core/errors/errors.ts';
import type { Settings } from '../../core/settings/settings.ts';
import type { JsonObject } from '../../core/text/json.ts';
import { type TokenPlan, tokenLines } from '../../operations/token-setup.ts';
import { listStorages, listVolumes } from '../../proxmox/storage.ts';
import { inspectTls } from '../../proxmox/trust/inspect.ts';
import { renderResult } from '../../render/result.ts';
import { CLIENT_NAMES, clientConfig, clientOf, configurationFor, unknownClient, writeConfiguration } from '../commands/client-config.ts';
import { agree, confirmPin, keepPin, pinText } from '../commands/trust.ts';
import { diagnose, doctor } from '../doctor/index.ts';
import { localCaller } from '../lib/caller.ts';
import { onlyCluster } from '../lib/options.ts';
import { withSession } from '../lib/session.ts';
import { paint } from '../terminal/look.ts';
import { type Exit, isForPeople, print, printJson, printResult, reportError, tell } from '../terminal/output.ts';
import { ask, hasTerminal } from '../terminal/terminal.ts';
import { viewText } from '../terminal/view.ts';
import { wrap } from '../terminal/wrap.ts';
import { answer, canGetSecret, type SetupOptions, tokenPlan, tokenSecret } from './answers.ts';
import { addCluster, agreeToReplace, clustersFile, settingsTarget, writeSettings } from './settings-file.ts';

/**
 * `setup`: from the address of a node to the first plan. Each question has an option, so that a script can answer. A script without a secret gets the
 * lines that create the token, and calls again with --token-file.
 */
export async function setup(options: SetupOptions): Promise<Exit> {
  if (options.demo) return setupOfDemo();
  const { cluster } = options;
  const several = cluster === undefined ? undefined : clustersFile(cluster, options.settings, options.force === true);
  const file = several?.settings ?? settingsTarget(options.settings);
  const settingsOf = (given: Record<string, string>) => settingsWith(given, several ? { cluster, keeps: file } : { replaces: file });
  if (options.client !== undefined) clientOf(options.client);

  heading('1. The cluster');
  const host = await answer(
    '--host',
    options.host ?? (process.env.PROXMOX_HOST?.trim() || undefined),
    'Address of a node, or of several nodes of one cluster, separated by commas',
  );
  const [endpoint] = settingsOf({ PROXMOX_HOST: host }).connection.endpoints;
  if (!endpoint) return fail('invalid_arguments', '--host must be the address of a node.');
  const shown = await inspectTls(endpoint);
  await agree(shown, endpoint.host, { expected: options.fingerprint?.split(','), command: 'setup' });

  heading('2. A token with few rights');
  const plan = await tokenPlan(options);
  const { create, grant } = await tokenLines(plan);
  const pveum = [...create, ...grant.map(({ line }) => line)];
  if (isForPeople() || hasTerminal()) explain(plan, pveum);
  if (!canGetSecret(options)) {
    if (!isForPeople())
      printJson({
        host,
        fingerprint: shown.fingerprint,
        pveum,
        next: 'Run these lines as root on a node (role modify where a role exists), then setup again with --token-file.',
      });
    return 0;
  }
  if (!several && !options.force) await agreeToReplace(file);
  const secret = await tokenSecret(options);

  const credentials = { PROXMOX_HOST: host, PROXMOX_TOKEN_ID: plan.tokenId, PROXMOX_TOKEN_SECRET: secret };
  const settings = settingsOf(credentials);
  const { pin, onlyBecause } = await confirmPin(settings, { expected: [shown.fingerprint], command: 'setup' });
  if (onlyBecause !== undefined) {
    return fail('authentication_failed', `Proxmox rejects the token ${plan.tokenId}. Nothing was written.`, {
      hint: 'Check that `pveum user token add` ran for this token, and that the secret is the one that it printed.',
    });
  }
  await keepPin(settings, pin);

  heading('3. The settings');
  const values = { ...credentials, PROXMOX_POOL: plan.pool, PROXMOX_NODE: plan.nodes[0], PROXMOX_STORAGE: plan.storages[0] };
  // The toolsets are those of the server, not of a cluster.
  if (several) addCluster(several, values);
  else writeSettings(file, { ...values, PROXMOX_TOOLSETS: plan.toolsets.join() === 'everyday' ? undefined : plan.toolsets.join() });
  const written = { ...(file === usualFile() ? {} : { settings: file }), ...defined({ cluster }) };
  if (isForPeople()) print(`The token works. ${several?.file ?? file} holds the settings, for you alone (0600).\nPinned: ${pinText(pin)}.`);

  return isForPeople() ? await rest(options, written) : await restForPrograms(options, written, { host, file, pinned: pinText(pin) });
}

function setupOfDemo(): Exit {
  const text = 'Nothing to do: the embedded cluster needs neither a token nor settings. Add --demo to any command.';
  printResult({ cluster: 'simulator', next: 'Add --demo to any command.' }, text);
  return 0;
}

/** The options of commands that read what was written. */
interface Written {
  settings?: string;
  cluster?: string;
}

/** The steps that a person reads. */
async function rest(options: SetupOptions, written: Written): Promise<Exit> {
  heading('4. The client');
  const client = options.client ?? (await chosenClient());
  if (client !== '') clientConfig(client, { ...written, ...((await wantsWriting(client, options)) ? { write: true } : {}) });
  heading('5. What works');
  const exit = await doctor(written);
  heading('6. A first plan');
  try {
    print(viewText(await firstPlan(written)));
    print('\nNothing was sent. Restart the client, and say to your agent: "Which VMs run?"');
    return exit;
  } catch (thrown) {
    return reportError(thrown);
  }
}

async function restForPrograms(options: SetupOptions, written: Written, done: JsonObject): Promise<Exit> {
  const { ok, can, missing } = await diagnose(written);
  const first = await firstPlan(written).catch((thrown: unknown) => ({ error: asError(thrown).toJSON() as unknown as JsonObject }));
  printJson({ ...done, ok, can, ...defined({ missing }), ...clientForPrograms(options, written), first_plan: first });
  return ok && !('error' in first) ? 0 : 1;
}

function clientForPrograms({ client: name, write }: SetupOptions, written: Written): JsonObject {
  if (name === undefined) return {};
  const made = configurationFor(name, written);
  if (write) return { client: { name, file: writeConfiguration(name, made) } };
  return { client: { name, where: clientOf(name).where, configuration: made.format === 'json' ? made.value : made.text } };
}

/** Asks until the name is that of a client, or empty: everything else is done by then. */
async function chosenClient(): Promise<string> {
  for (;;) {
    const client = await answer('--client', undefined, `MCP client (${CLIENT_NAMES.join(', ')}; Enter for none)`, '');
    if (client === '' || CLIENT_NAMES.includes(client)) return client;
    tell(`${unknownClient(client)} Try again.`);
  }
}

async function wantsWriting(client: string, { write }: SetupOptions): Promise<boolean> {
  const file = clientOf(client).file?.();
  if (write || file === undefined || !hasTerminal()) return write === true;
  return (await ask(`Type yes to write it into ${file}, or Enter to print it: `)).trim() === 'yes';
}

/** The dry run of a create: it says what a VM would be, or which part is missing. */
function firstPlan(written: Written): Promise<JsonObject> {
  return withSession(written, async ({ settings, engine, connect }) => {
    const api = await connect(written.cluster);
    const { node } = onlyCluster(settings, written.cluster).defaults;
    const images = (await listStorages(api, node)).filter(({ content }) => content.includes('import'));
    const volumes = await Promise.all(images.map(({ storage }) => listVolumes(api, node, storage, { content: 'import' }).catch(() => [])));
    const image = volumes.flat()[0]?.volid;
    const named = engine.clusters.length > 0 ? written.cluster : undefined;
    const args = { name: 'first-vm', ...defined({ image, cluster: named }) };
    return renderResult(await engine.perform('create_vm', args, localCaller('cli'), { dryRun: true })).structured;
  });
}

function explain({ tokenId, storages, major = 9 }: TokenPlan, lines: readonly string[]): void {
  const storage = storages.at(-1);
  tell(
    `Run these lines once as root on any node. They create the token ${tokenId} with the rights that its tools need, in its pool alone:\n`,
  );
  tell(`${lines.join('\n')}\n`);
  tell(
    wrap(`Where a role exists, write \`role modify\` instead of \`role add\`. Proxmox VE ${major} is assumed; --pve names another version. --templates grants clones of templates outside of the pool.
To create VMs from an image, a storage needs the content type Import: Datacenter → Storage → ${storage} → Edit. Then ${storage} → Import → Download from URL takes a cloud image as .qcow2. Agents download one themselves from the hosts that PROXMOX_MEDIA_HOSTS names, for example cloud.debian.org.`),
  );
}

function heading(text: string): void {
  if (isForPeople()) print(`\n${paint('bold', text)}`);
}

/**
 * The settings with these values before all others.
 * @param place the file of settings: `keeps` stays in force and gets a cluster more; what stands in `replaces` counts no longer, and may be broken
 */
function settingsWith(given: Record<string, string>, place: { cluster?: string | undefined; keeps?: string; replaces?: string }): Settings {
  const { cluster, keeps, replaces } = place;
  const envFile = keeps !== undefined && existsSync(keeps) ? keeps : undefined;
  const { config } = loadConfig({ env: process.env, given, envFile, ...defined({ without: replaces }) });
  const settings = toSettings({ config }, { env: process.env, demo: false });
  return cluster === undefined ? settings : { ...settings, clusters: [{ ...settings, name: cluster }] };
}
