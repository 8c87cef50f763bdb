import { Command, CommanderError } from 'commander';
import pkg from '../../package.json' with { type: 'json' };
import { nearest } from '../core/text/nearest.ts';
import { below, command, group, helpOn, holding, idNotOption, meant, printing, run, server } from './lib/command.ts';
import type { GlobalOptions } from './lib/options.ts';
import { type Exit, outliveReaders } from './terminal/output.ts';

// The code of a command is loaded when it runs, so that `--help` and a probed server load nothing else.

const program = new Command('proxmox-mcp')
  .description('Let LLM agents run Proxmox VE clusters safely.')
  .version(pkg.version, '-v, --version', 'show the version')
  .showHelpAfterError('(add --help for the options and examples)')
  // All commands inherit both. Options after `lease add` are those of `add`: `lease` itself takes some of the same names.
  .exitOverride()
  .enablePositionalOptions()
  .addHelpText(
    'after',
    below(`Try it without a cluster (any command takes --demo):
  proxmox-mcp demo                                         a guided tour
  proxmox-mcp call list_vms --demo
  proxmox-mcp call stop_vm --args '{"vmid":101}' --demo    exit code 3: approve it

Connect it:
  proxmox-mcp setup                                        asks step by step
  proxmox-mcp doctor                                       tests the settings
  proxmox-mcp client-config claude-desktop                 prints what to paste

Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 approval required.
Settings: PROXMOX_HOST, PROXMOX_TOKEN_ID, PROXMOX_TOKEN_SECRET and others (docs/configuration.md), in the environment, a file named by --settings, or ~/.config/proxmox-mcp/env.`),
  );

const stdio = server(program, 'stdio', 'serve an MCP client on stdio (default)', { isDefault: true })
  .allowExcessArguments()
  .action(run(async () => serve));

async function serve(options: GlobalOptions): Promise<Exit> {
  const [unknown] = stdio.args;
  if (unknown !== undefined) return refuseCommand(unknown);
  return (await import('./commands/stdio.ts')).stdio(options);
}

/** Words that are not a command reach the default one. For the name of an operation, the error suggests `call`. */
async function refuseCommand(unknown: string): Promise<never> {
  if (program.commands.some((one) => one.name() === unknown))
    program.error(`error: options come after the command: proxmox-mcp ${unknown} …`, { exitCode: 2 });
  const { nameOfOperation, operationNames } = await import('../operations/find.ts');
  const isOperation = nameOfOperation(unknown) !== undefined;
  const commands = isOperation
    ? []
    : nearest(
        unknown,
        program.commands.map((one) => one.name()),
        1,
      );
  const calls = commands.length > 0 ? [] : nearest(unknown, operationNames, 1).map((name) => `call ${name}`);
  return program.error(`error: unknown command '${unknown}'${meant([...commands, ...calls], program.name())}`, { exitCode: 2 });
}

command(program, 'call <operation>', 'run one operation')
  .showHelpAfterError(`(parameters go into --args, for example --args '{"vmid":100}'; add --help for more)`)
  .option('--args <json>', 'parameters as JSON; - reads them from stdin', '{}')
  .option('--dry-run', 'show the plan and send nothing')
  .option('--approve <id>', 'redeem an approval of this same call', idNotOption)
  .option('--reason <text>', 'state a reason for the approver')
  .option('--wait <seconds>', 'wait for a decision made elsewhere', '0')
  .addHelpText(
    'after',
    below(`Examples:
  proxmox-mcp call list_vms --args '{"status":"running"}'
  proxmox-mcp call create_vm --args '{"name":"test","image":"local:import/debian-12-genericcloud-amd64.qcow2","storage":"local-lvm"}' --dry-run
  proxmox-mcp call stop_vm --args '{"vmid":101}'                 exit code 3, with an approval_id
  proxmox-mcp call stop_vm --args '{"vmid":101}' --approve ID    after the user said yes

Other users of this machine can see --args. \`--args -\` reads them from stdin.
\`proxmox-mcp tools\` lists all operations.`),
  )
  .action(run(async () => (await import('./commands/call.ts')).call, { json: true }));

const approvals = group(program, 'approvals', 'list and decide pending approvals');
command(approvals, 'list', 'list approvals, newest first')
  .option('--status <status>', 'list approvals in this state only')
  .addHelpText('after', below('States: pending, executing, succeeded, failed, unknown, denied, expired and stale.'))
  .action(run(async () => (await import('./commands/approvals.ts')).list));
command(approvals, 'show <id>', 'show the exact plan of an approval').action(
  run(async () => (await import('./commands/approvals.ts')).show),
);
command(approvals, 'approve <id>', 'approve in a terminal and execute the plan').action(
  run(async () => (await import('./commands/approvals.ts')).approve),
);
command(approvals, 'deny <id>', 'deny an approval')
  .option('--reason <text>', 'state a reason for the requester')
  .action(run(async () => (await import('./commands/approvals.ts')).deny));

command(approvals, 'watch', 'follow approvals until Ctrl-C').action(run(async () => (await import('./commands/approvals-watch.ts')).watch));
command(approvals, 'passphrase', 'set the passphrase required for every local decision').action(
  run(async () => (await import('./commands/approvals.ts')).passphrase),
);
const leases = holding(command(approvals, 'lease', 'list or manage short-lived standing approvals')).action(
  run(async () => (await import('./commands/leases.ts')).list),
);
command(leases, 'add', 'create a standing approval; needs a terminal')
  .requiredOption('--operation <names>', 'cover these operations, separated by commas')
  .option('--cluster <name>', 'choose one of PROXMOX_CLUSTERS_FILE')
  .option('--tag <tag>', 'cover guests with this tag')
  .option('--pool <pool>', 'cover guests in this pool')
  .option('--uses <count>', 'limit the number of guests', '1')
  .option('--minutes <minutes>', 'limit the lifetime, at most 60', '15')
  .option('--allow-raised', 'cover raised plans too, such as forced stops')
  .action(run(async () => (await import('./commands/leases.ts')).add));
command(leases, 'revoke <id>', 'revoke a standing approval').action(run(async () => (await import('./commands/leases.ts')).revoke));

const runs = group(program, 'runs', 'list and close requests of unknown outcome');
command(runs, 'list', 'list requests that Proxmox may still execute').action(run(async () => (await import('./commands/runs.ts')).list));
command(runs, 'close <id>', 'record how a request ended; needs a terminal')
  .requiredOption('--outcome <outcome>', 'state done (took effect) or not-done (never will)')
  .action(run(async () => (await import('./commands/runs.ts')).close));

server(program, 'console', 'open the approval console until Ctrl-C')
  .option('--port <port>', 'listen on this port; 0 takes any', '0')
  .action(run(async () => (await import('./commands/console.ts')).openConsole));

const audit = group(program, 'audit', 'inspect and verify the audit log');
command(audit, 'verify', 'verify that no record was changed or removed')
  .option('--anchor <file>', 'verify against this checkpoint file (default: PROXMOX_AUDIT_ANCHOR)')
  .option('--public-key <file>', "use this public key (default: this installation's)")
  .action(run(async () => (await import('./commands/audit.ts')).verify));
command(audit, 'rotate', 'close the file and begin a new one').action(run(async () => (await import('./commands/audit.ts')).rotate));
command(audit, 'public-key', 'print the public key of the checkpoints').action(
  run(async () => (await import('./commands/audit.ts')).publicKey),
);
command(audit, 'tail', 'show the newest records')
  .option('-n, --lines <count>', 'show this many records', '20')
  .action(run(async () => (await import('./commands/audit.ts')).tail));

server(program, 'http', 'serve remote agents over streamable HTTP')
  .option('--host <address>', 'listen on this address (default: 127.0.0.1)')
  .option('--port <port>', 'listen on this port (default: 8808)')
  .option('--cert <file>', 'serve this certificate (PEM)')
  .option('--key <file>', 'use its private key (PEM)')
  .action(run(async () => (await import('./commands/http.ts')).http));
const tokens = group(program, 'tokens', 'manage access tokens of remote agents and approvers');
command(tokens, 'add', 'create a token and show it once')
  .requiredOption('--name <name>', 'set the name shown in the audit log')
  .requiredOption('--role <role>', 'grant viewer, operator or approver (docs/deployment.md)')
  .option('--owner <owner>', 'name the responsible person (default: you)')
  .option('--scope <scope>', 'limit to guests: cluster=NAME,pool=NAME,tag=NAME')
  .option('--cidr <networks>', 'limit to source networks, separated by commas')
  .option('--expires <time>', 'set the lifetime (90d, 12h) or end date', '90d')
  .option('--trust-client', 'let its client ask a human for approvals')
  .addHelpText(
    'after',
    below(`Roles:
  viewer    reads
  operator  reads, changes and requests approvals
  approver  decides approvals, in the console

A person cannot approve the requests of their own tokens. Give each person one owner name.`),
  )
  .action(run(async () => (await import('./commands/tokens.ts')).add));
command(tokens, 'list', 'list tokens and their last use').action(run(async () => (await import('./commands/tokens.ts')).list));
command(tokens, 'revoke <name>', 'revoke a token and deny its pending approvals').action(
  run(async () => (await import('./commands/tokens.ts')).revoke),
);
command(tokens, 'passphrase <owner>', "set an approver's passphrase").action(
  run(async () => (await import('./commands/tokens.ts')).passphrase),
);
program
  .command('connect <url>')
  .description('proxy a stdio client to a remote server')
  .option('--token-file <file>', 'read the token from here (default: PROXMOX_MCP_TOKEN)')
  .action(run(async () => (await import('./commands/connect.ts')).connect));
const service = group(program, 'service', 'install as a systemd service');
service
  .command('install')
  .allowExcessArguments(false)
  .description('print a systemd unit with its own user')
  .option('--write', 'write the unit, as root')
  .option('--folder <folder>', 'write to this folder', '/etc/systemd/system')
  .option('--force', 'overwrite an existing, different unit')
  .option('--user <name>', 'run as this user', 'proxmox-mcp')
  .action(run(async () => (await import('./commands/service.ts')).install));

printing(program.command('version').description('show the version, and that of Node')).action(
  run(async () => (await import('./commands/version.ts')).version),
);
program
  .command('completion <shell>')
  .description('print completion for bash, zsh or fish')
  .addHelpText(
    'after',
    below(`To use it:
  bash  eval "$(proxmox-mcp completion bash)"     in ~/.bashrc
  zsh   eval "$(proxmox-mcp completion zsh)"      in ~/.zshrc, after compinit
  fish  proxmox-mcp completion fish | source      in ~/.config/fish/config.fish`),
  )
  .action(run(async () => (await import('./commands/completion.ts')).completion));
program
  .helpCommand(false)
  .command('help [command...]')
  .description('show the help of a command')
  .action(run(async () => helpOn(program)));
// The completion scripts call it.
program
  .command('__complete [words...]', { hidden: true })
  .allowUnknownOption()
  .helpOption(false)
  .action(run(async () => (await import('./commands/completion.ts')).completeIn(program)));
command(program, 'tools', 'list all operations').action(run(async () => (await import('./commands/tools.ts')).tools));
command(program, 'doctor', 'test connection, rights, limits and files').action(run(async () => (await import('./doctor/index.ts')).doctor));
printing(program.command('setup').description('connect your cluster, step by step'))
  .option('--cluster <name>', 'add one of several clusters by this name')
  .option('--demo', 'say what the embedded cluster needs')
  .option('--host <host>', 'use this node, or several of one cluster')
  .option('--fingerprint <sha256>', 'accept this certificate without asking')
  .option('--toolsets <names>', 'grant rights for these groups of tools (default: everyday)')
  .option('--token-id <id>', 'name the API token (default: mcp@pve!agent)')
  .option('--token-file <file>', 'read its secret from this file')
  .option('--pool <name>', 'keep the guests in this pool (default: agents)')
  .option('--nodes <names>', 'use these nodes (default: pve)')
  .option('--storages <names>', 'use these storages (default: local-lvm,local)')
  .option('--bridges <names>', 'use these bridges (default: vmbr0)')
  .option('--templates <vmids>', 'allow clones of these templates elsewhere')
  .option('--pve <major>', 'assume this version of Proxmox VE', '9')
  .option('--client <client>', 'configure this MCP client')
  .option('--write', "write the client's configuration into its file")
  .option('--settings <file>', 'write the settings to this file (default: ~/.config/proxmox-mcp/env)')
  .option('--force', 'replace an existing file of settings')
  .addHelpText(
    'after',
    below(`It shows the certificate to compare, prints the pveum lines that create the token, tests the token, writes the settings (0600), configures a client, and ends with doctor and a first plan.
Without a terminal, every question takes its option or its default. Without a secret it prints the lines and ends.`),
  )
  .action(run(async () => (await import('./setup/index.ts')).setup));
command(program, 'trust', "show the cluster's certificate and pin it")
  .option('--cluster <name>', 'choose one of PROXMOX_CLUSTERS_FILE')
  .option('--fingerprint <sha256>', 'pin without asking if this fingerprint matches')
  .action(run(async () => (await import('./commands/trust.ts')).trust));
command(program, 'client-config <client>', 'print the configuration of an MCP client')
  .option('--url <url>', 'connect to this server instead of starting one')
  .option('--write', "write it into the client's own file")
  .addHelpText(
    'after',
    below(`Clients: claude-desktop, claude-code, cursor, vscode, codex, gemini, copilot, opencode, windsurf, lm-studio, zed, cline, goose, continue, n8n.

Examples:
  proxmox-mcp client-config claude-code
  proxmox-mcp client-config cursor --write --demo
  proxmox-mcp client-config n8n --url https://proxmox-mcp.example.org/mcp`),
  )
  .action(run(async () => (await import('./commands/client-config.ts')).clientConfig));
command(program, 'demo', 'run the guided demo on the embedded cluster')
  .option('--serve <port>', 'serve only the embedded cluster on this port')
  .action(run(async () => (await import('./commands/demo.ts')).demo));

outliveReaders();
// The bundle is CommonJS, which has no top-level await.
void program.parseAsync().catch((error: unknown) => {
  // Commander has said what is wrong already; help and version end with 0.
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : 2;
});
