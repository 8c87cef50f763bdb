import { CLIENTS, type Configuration } from '../../src/cli/lib/clients.ts';
import { GENERATED, rows } from './markdown.ts';

// The pages that show how clients are connected: docs/how-to/connect-a-client.md and a table of README.md.

const TITLES: Record<string, string> = {
  'claude-desktop': 'Claude Desktop',
  'claude-code': 'Claude Code',
  cursor: 'Cursor',
  vscode: 'VS Code',
  codex: 'Codex CLI',
  gemini: 'Gemini CLI',
  copilot: 'Copilot CLI',
  opencode: 'opencode',
  windsurf: 'Windsurf',
  'lm-studio': 'LM Studio',
  zed: 'Zed',
  cline: 'Cline',
  goose: 'Goose',
  continue: 'Continue',
  n8n: 'n8n',
};
const PAGE = 'docs/how-to/connect-a-client.md';
const URL_SHOWN = 'https://mcp.example.org/mcp';

/** Links that install with one click; each client documents its form. @returns undefined: the client has none */
export function oneClick(client: string, isDemo: boolean): string | undefined {
  const name = isDemo ? 'proxmox-demo' : 'proxmox';
  const config = JSON.stringify({ command: 'proxmox-mcp', args: ['stdio', ...(isDemo ? ['--demo'] : [])] });
  const base64 = encodeURIComponent(Buffer.from(config).toString('base64'));
  if (client === 'vscode') return `https://insiders.vscode.dev/redirect/mcp/install?name=${name}&config=${encodeURIComponent(config)}`;
  if (client === 'cursor') return `https://cursor.com/en/install-mcp?name=${name}&config=${base64}`;
  if (client === 'lm-studio') return `https://lmstudio.ai/install-mcp?name=${name}&config=${base64}`;
  return undefined;
}

/** The table of README.md. */
export function clientTable(): string {
  return rows(
    ['Client', 'CLIENT', 'One click'],
    Object.keys(CLIENTS).map((client) => [`[${titleOf(client)}](${PAGE}#${anchorOf(client)})`, `\`${client}\``, clicks(client)]),
  );
}

/** docs/how-to/connect-a-client.md */
export function clientsDoc(): string {
  return `${GENERATED}

# Connect a client

\`proxmox-mcp client-config CLIENT\` prints the configuration of one client with absolute paths, and says where it goes.

| Option | Effect |
| --- | --- |
| \`--demo\` | an entry \`proxmox-demo\` for the embedded cluster; it needs no settings |
| \`--settings FILE\` | the settings of one cluster, if not \`~/.config/proxmox-mcp/env\` |
| \`--url URL\` | a server that runs \`proxmox-mcp http\`, instead of a program on this computer |
| \`--write\` | write it into the client's file, where that is a JSON file of the user |

The links with one click start the command \`proxmox-mcp\`. So [install it](../tutorial/ten-minutes.md#install) first, for the user who runs the client.
A desktop application may not find commands of npm. Then use the command, whose output has absolute paths.
${Object.keys(CLIENTS).map(section).join('')}
## Any other client

Start \`proxmox-mcp stdio\`. For a client that starts in the clone, [mcp.json](../../mcp.json) is a configuration.

## If it does not work

| Symptom | Next step |
| --- | --- |
| connected, but each call answers \`missing_credentials\` | Write the settings ([token](token.md#write-the-settings)), or use \`--demo\` |
| the program is not found | Use the output of \`client-config\`. After an upgrade of Node with nvm, run it again |
| the client shows no question and \`auto\` relays | The client cannot ask its user. Set \`PROXMOX_APPROVAL=human\` |
| 401 over HTTP | Create an access token where the server runs: \`proxmox-mcp tokens add --name NAME --role operator\` |
| nothing of these | \`proxmox-mcp doctor\` tests the settings. The client's log has the server's messages |
`;
}

function section(client: string): string {
  const { where, stdio, http } = CLIENTS[client] ?? { where: '' };
  const links = clicks(client);
  const program = stdio?.({ kind: 'stdio', name: 'proxmox', command: 'proxmox-mcp', args: ['stdio'] });
  const remote = http?.({ kind: 'http', name: 'proxmox', url: URL_SHOWN });
  const isFirst = program !== undefined;
  const parts = [
    `\n## ${titleOf(client)}\n`,
    ...(links === '' ? [] : [`One click: ${links}.\n`]),
    `\`\`\`sh\n${commandOf(client)}\n\`\`\`\n`,
    `It goes into ${where}\n`,
    ...(program ? [`${shown(program)}\n`] : []),
    ...(remote ? [`${isFirst ? 'For' : 'It reaches servers by their address only. For'} a remote server:\n`, `${shown(remote)}\n`] : []),
    ...(remote ? [] : [`For a remote server the printed configuration starts \`connect\`: \`${commandOf(client)} --url ${URL_SHOWN}\`.\n`]),
  ];
  return parts.join('\n');
}

function shown(configuration: Configuration): string {
  if (configuration.format === 'json') return `\`\`\`json\n${JSON.stringify(configuration.value, undefined, 2)}\n\`\`\``;
  const language = configuration.format === 'steps' ? 'text' : configuration.format === 'shell' ? 'console' : configuration.format;
  return `\`\`\`${language}\n${configuration.text}\n\`\`\``;
}

function commandOf(client: string): string {
  return `proxmox-mcp client-config ${client}${CLIENTS[client]?.stdio ? '' : ` --url ${URL_SHOWN}`}`;
}

function clicks(client: string): string {
  const [own, demo] = [oneClick(client, false), oneClick(client, true)];
  return own === undefined ? '' : `[your cluster](${own}), [demo](${demo})`;
}

function titleOf(client: string): string {
  const title = TITLES[client];
  if (title === undefined) throw new Error(`${client} has no title in scripts/docs/clients.ts`);
  return title;
}

const anchorOf = (client: string) => titleOf(client).toLowerCase().replaceAll(' ', '-');
