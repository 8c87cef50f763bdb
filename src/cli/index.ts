#!/usr/bin/env node
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import pkg from '../../package.json' with { type: 'json' };
import type { GlobalOptions } from './lib/options.ts';
import { type Exit, outliveReaders, reportError } from './lib/output.ts';

// Every command is loaded when it runs: a server that an MCP client only probes, or `--help`, pays for nothing else.

const program = new Command('proxmox-mcp')
  .description('Lets LLM agents run a Proxmox VE cluster safely: every change is first a plan, and nothing is destroyed without a human.')
  .version(pkg.version)
  .showHelpAfterError('(add --help for the options and examples)')
  .exitOverride()
  .addHelpText(
    'after',
    `
Try it without a cluster (any command takes --demo):
  proxmox-mcp demo                                         the whole story, told step by step
  proxmox-mcp call list_vms --demo
  proxmox-mcp call stop_vm --args '{"vmid":101}' --demo    asks for an approval: exit code 3

Connect it:
  proxmox-mcp doctor                                       tests the connection, rights and limits
  proxmox-mcp client-config claude-desktop                 prints what goes into the client's configuration

Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 approval required.
Settings: PROXMOX_HOST, PROXMOX_TOKEN_ID, PROXMOX_TOKEN_SECRET and others (docs/configuration.md), in the environment,
a file named by --env-file, or ~/.config/proxmox-mcp/env.`,
  );

/** A command with the options that all of them take. `run` gets the positional arguments, then the options. */
function command(parent: Command, usage: string, description: string, options: { isDefault?: boolean; hidden?: boolean } = {}): Command {
  return parent
    .command(usage, options)
    .description(description)
    .option('--demo', 'use the embedded cluster; host and token are ignored')
    .option('--env-file <file>', 'read settings from this file, after the environment')
    .exitOverride();
}

/** Commander takes whatever follows as the value: without an id that would be the next option. */
function idNotOption(text: string): string {
  if (text.startsWith('-')) throw new InvalidArgumentError('An id is missing.');
  return text;
}

function run(action: (...args: never[]) => Promise<Exit> | Exit, { json = false } = {}): (...args: unknown[]) => Promise<void> {
  return async (...args) => {
    // Commander gives the positional arguments, the options and the command itself.
    try {
      process.exitCode = await action(...(args.slice(0, -1) as never[]));
    } catch (error) {
      if (error instanceof CommanderError) throw error;
      process.exitCode = reportError(error, { json });
    }
  };
}

command(program, 'stdio', 'serve an MCP client over standard input and output (the default)', { isDefault: true })
  .usage('[options]')
  .argument('[words...]')
  .action(
    run(async ([unknown]: string[], options: GlobalOptions) => {
      if (unknown !== undefined) await refuseCommand(unknown);
      return (await import('./commands/stdio.ts')).stdio(options);
    }),
  );

/** What is no command ends up at the default one. The names of operations are close at hand: they are said to be called. */
async function refuseCommand(unknown: string): Promise<never> {
  if (program.commands.some((one) => one.name() === unknown))
    program.error(`error: options come after the command: proxmox-mcp ${unknown} …`, { exitCode: 2 });
  const { findOperation } = await import('../operations/index.ts');
  const hint = findOperation(unknown) ? `\n(Did you mean: proxmox-mcp call ${unknown}?)` : '';
  return program.error(`error: unknown command '${unknown}'${hint}`, { exitCode: 2 });
}

command(program, 'call <operation>', 'run one operation and print its result as JSON')
  .option('--args <json>', 'its parameters, one JSON object; -: from standard input, where other users do not see them', '{}')
  .option('--dry-run', 'only show the plan: the exact requests that would be sent')
  .option('--approve <id>', 'redeem an approval given for exactly this operation and these parameters', idNotOption)
  .option('--reason <text>', 'why; shown to the human who decides')
  .option('--wait <seconds>', 'how long to wait for a human who decides elsewhere', '0')
  .addHelpText(
    'after',
    `
Examples:
  proxmox-mcp call list_vms --args '{"status":"running"}'
  proxmox-mcp call create_vm --args '{"name":"test","cores":2,"memory":4096}' --dry-run
  proxmox-mcp call stop_vm --args '{"vmid":105}'                   exit code 3, with an approval_id
  proxmox-mcp call stop_vm --args '{"vmid":105}' --approve <id>    after the user said yes

\`proxmox-mcp tools\` lists all operations.`,
  )
  .action(run(async (operation: string, options) => (await import('./commands/call.ts')).call(operation, options), { json: true }));

const approvals = program.command('approvals').description('what waits for a human, and deciding about it').exitOverride();
command(approvals, 'list', 'approvals, newest first')
  .option('--status <status>', 'pending, approved, executing, succeeded, failed, unknown, denied, expired or stale')
  .action(run(async (options) => (await import('./commands/approvals.ts')).list(options)));
command(approvals, 'show <id>', 'what exactly would be done').action(
  run(async (id: string, options) => (await import('./commands/approvals.ts')).show(id, options)),
);
command(approvals, 'approve <id>', "say yes, by typing the guest's name and VMID in a terminal, and carry it out").action(
  run(async (id: string, options) => (await import('./commands/approvals.ts')).approve(id, options)),
);
command(approvals, 'deny <id>', 'say no')
  .option('--reason <text>', 'told to whoever asked')
  .action(run(async (id: string, options) => (await import('./commands/approvals.ts')).deny(id, options)));

command(approvals, 'watch', 'follow what is pending and how it ends, until Ctrl-C').action(
  run(async (options) => (await import('./commands/approvals-watch.ts')).watch(options)),
);
command(approvals, 'passphrase', 'set the passphrase that every decision on this machine asks for').action(
  run(async (options) => (await import('./commands/approvals-passphrase.ts')).passphrase(options)),
);
const leases = command(approvals, 'lease', 'a standing yes for a few guests within an hour').action(
  run(async (options) => (await import('./commands/leases.ts')).list(options)),
);
// Options after `lease add` are those of `add`: `lease` itself takes some of the same names.
for (const one of [program, approvals, leases]) one.enablePositionalOptions();
command(leases, 'add', 'make one; needs a terminal')
  .requiredOption('--operation <names>', 'operations it covers, separated by commas')
  .option('--tag <tag>', 'guests with this tag')
  .option('--pool <pool>', 'guests in this pool')
  .option('--uses <count>', 'how many guests in all, each counted at every call', '1')
  .option('--minutes <minutes>', 'how long, at most 60', '15')
  .option('--allow-raised', 'also plans that are graver than the operation itself, such as a stop by force')
  .action(run(async (options) => (await import('./commands/leases.ts')).add(options)));
command(leases, 'revoke <id>', 'take it back').action(
  run(async (id: string, options) => (await import('./commands/leases.ts')).revoke(id, options)),
);

const runs = program.command('runs').description('requests whose outcome is unknown').exitOverride();
command(runs, 'list', 'those that Proxmox may still carry out').action(
  run(async (options) => (await import('./commands/runs.ts')).list(options)),
);
command(runs, 'close <id>', 'end the watch of one: say, after a look at the guest, how it ended; needs a terminal')
  .requiredOption('--outcome <outcome>', 'done: it took effect; not-done: it did not and will not')
  .action(run(async (id: string, options) => (await import('./commands/runs.ts')).close(id, options)));

command(program, 'console', 'open a page in the browser on which you decide; ends with Ctrl-C')
  .option('--port <port>', 'on this port of 127.0.0.1; 0: any free one', '0')
  .action(run(async (options) => (await import('./commands/console.ts')).openConsole(options)));

const audit = program.command('audit').description('the record of everything that was asked for and done').exitOverride();
command(audit, 'verify', 'check that no record was changed, moved or taken out')
  .option('--anchor <file>', 'checkpoints to check it against; default: PROXMOX_AUDIT_ANCHOR, where that is a file')
  .option('--public-key <file>', "whose checkpoints count; default: this installation's")
  .action(run(async (options) => (await import('./commands/audit.ts')).verify(options)));
command(audit, 'rotate', 'close the file; the chain goes on in a new one').action(
  run(async (options) => (await import('./commands/audit.ts')).rotate(options)),
);
command(audit, 'public-key', 'print the key with which checkpoints are checked').action(
  run(async (options) => (await import('./commands/audit.ts')).publicKey(options)),
);
command(audit, 'tail', 'the newest records')
  .option('-n, --lines <count>', 'how many', '20')
  .action(run(async (options) => (await import('./commands/audit.ts')).tail(options)));

command(program, 'http', 'serve agents on other machines over streamable HTTP')
  .option('--host <address>', 'address to serve on (default: 127.0.0.1; others need authentication and TLS)')
  .option('--port <port>', 'port to serve on (default: 8808)')
  .option('--cert <file>', 'certificate to serve with (PEM)')
  .option('--key <file>', 'its private key (PEM)')
  .action(run(async (options) => (await import('./commands/http.ts')).http(options)));
const tokens = program.command('tokens').description('access tokens for agents and approvers on other machines').exitOverride();
command(tokens, 'add', 'make a token; it is shown once')
  .requiredOption('--name <name>', 'how the audit calls it')
  .requiredOption('--role <role>', 'viewer (reads), operator (reads, changes, asks for approvals) or approver (decides, in the console)')
  .option('--owner <owner>', 'the person answerable for it; nobody approves what they asked for (default: you)')
  .option('--scope <scope>', 'only these guests: pool=NAME and tag=NAME, separated by commas')
  .option('--cidr <networks>', 'only from these addresses, separated by commas')
  .option('--expires <time>', '90d, 12h or a date', '90d')
  .option('--trust-client', 'its client may put questions to a human and pass on the answer, so that approvals need no console')
  .action(run(async (options) => (await import('./commands/tokens.ts')).add(options)));
command(tokens, 'list', 'all tokens, and when they were last used').action(
  run(async (options) => (await import('./commands/tokens.ts')).list(options)),
);
command(tokens, 'revoke <name>', 'end a token, and deny what it asked for').action(
  run(async (name: string, options) => (await import('./commands/tokens.ts')).revoke(name, options)),
);
command(tokens, 'passphrase <owner>', 'set what an approver has to know beside their token').action(
  run(async (owner: string, options) => (await import('./commands/tokens.ts')).passphrase(owner, options)),
);
program
  .command('connect <url>')
  .description('serve an MCP client over standard input and output by passing everything on to a server elsewhere')
  .option('--token-file <file>', 'file with the access token (default: the variable PROXMOX_MCP_TOKEN)')
  .exitOverride()
  .action(run(async (url: string, options) => (await import('./commands/connect.ts')).connect(url, options)));
const service = program.command('service').description('running as a system service').exitOverride();
service
  .command('install')
  .description('print a systemd unit under which the server runs as a user of its own')
  .option('--write', 'write it, as root')
  .option('--folder <folder>', 'where to', '/etc/systemd/system')
  .option('--force', 'also over one that is different')
  .option('--user <name>', 'the user to run as', 'proxmox-mcp')
  .exitOverride()
  .action(run(async (options) => (await import('./commands/service.ts')).install(options)));

command(program, 'tools', 'list all operations').action(run(async () => (await import('./commands/tools.ts')).tools()));
command(program, 'doctor', 'test connection, certificate, rights, limits and files, and say what is missing').action(
  run(async (options) => (await import('./doctor/index.ts')).doctor(options)),
);
command(program, 'trust', "show the cluster's certificate and pin it")
  .option('--fingerprint <sha256>', 'pin without asking, if the certificate has this fingerprint')
  .action(run(async (options) => (await import('./commands/trust.ts')).trust(options)));
command(program, 'client-config <client>', 'print the configuration for claude-desktop, claude-code, cursor or vscode').action(
  run(async (client: string) => (await import('./commands/client-config.ts')).clientConfig(client)),
);
command(program, 'demo', 'a real MCP client drives the real server against the embedded cluster, step by step')
  .option('--serve <port>', 'instead serve the embedded cluster on this port, for other processes')
  .action(run(async (options) => (await import('./commands/demo.ts')).demo(options)));

outliveReaders();
try {
  await program.parseAsync();
} catch (error) {
  // Commander has said what is wrong already; help and version end with 0.
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : 2;
}
