import type { ApprovalView } from '../../../wire.ts';

/** The way a request came in, as people say it. */
const CHANNELS: Record<string, string> = {
  stdio: 'an MCP client on the computer of the server',
  http: 'an MCP client over HTTP',
  cli: 'a command in a terminal',
  console: 'this console',
};

type Asked = ApprovalView['askedBy'];

/** `local:1000` as people say it: `local user 1000`. Other names stay. */
export function personOf(principal: string): string {
  return principal.replace(/^local:(?=\d+$)/, 'local user ');
}

/** The authenticated requester: `token:deploy (of alice)`, `local user 1000 (of alice)`. */
export function requesterOf({ principal, owner }: Asked): string {
  const name = personOf(principal);
  return owner === principal ? name : `${name} (of ${owner})`;
}

export function channelOf({ channel }: Asked): string {
  return CHANNELS[channel] ?? channel;
}

/** The name that the client gave itself; any client may give any name. */
export function claimedName({ client }: Asked): string | undefined {
  return client === undefined ? undefined : `calls itself “${client}”, unverified`;
}
