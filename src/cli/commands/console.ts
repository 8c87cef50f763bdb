import { createInterface } from 'node:readline';
import { createConsole } from '../../console/app.ts';
import { loadAssets } from '../../console/assets.ts';
import { createLinks, LINK_SECONDS } from '../../console/login.ts';
import { createSessions } from '../../console/sessions.ts';
import { systemClock } from '../../core/clock.ts';
import { listen } from '../../http/listen.ts';
import { localCaller } from '../lib/caller.ts';
import { type GlobalOptions, wholeNumber } from '../lib/options.ts';
import { withSession } from '../lib/session.ts';
import { type Exit, note, noteFault, tell } from '../terminal/output.ts';
import { needTerminal } from '../terminal/terminal.ts';

/**
 * `console`: serves the page on which a human decides, on this computer alone, until Ctrl-C. A login needs the link that only this
 * terminal shows.
 */
export function openConsole(options: GlobalOptions & { port: string }): Promise<Exit> {
  needTerminal(
    'The console needs a terminal, because only a human may see its link.',
    'Run `proxmox-mcp console` yourself in a terminal, without redirecting its input or its messages.',
  );
  const port = wholeNumber('--port', options.port, 0, 65_535);
  return withSession(options, async ({ engine, settings }) => {
    const { principal, owner } = localCaller('cli');
    const links = createLinks(systemClock, { principal, owner, name: 'operator', isOperator: true });
    let origins: string[] = [];
    const app = createConsole({
      engine,
      settings,
      logins: links,
      sessions: createSessions(systemClock),
      origins: () => origins,
      assets: loadAssets(),
      clock: systemClock,
    });
    const server = await listen(app, { host: '127.0.0.1', port, onError: (error) => noteFault('console', error) });
    origins = [`http://127.0.0.1:${server.port}`, `http://localhost:${server.port}`];
    const show = () => tell(`\nOpen this link within ${LINK_SECONDS} seconds. It works once:\n\n  ${origins[0]}/#link=${links.issue()}\n`);
    show();
    const tunnel = sshLine(server.port);
    if (tunnel !== undefined) note(`You are here over ssh. On your own computer, first run: ${tunnel}`);
    note('Press Enter for a new link, Ctrl-C to end.');
    await untilInterrupted(show);
    note('Shutting down. Approved work reaches a safe point first.');
    app.close();
    await server.close(0);
    return 0;
  });
}

/** The command of a tunnel through which a browser elsewhere reaches this port; undefined where the terminal is not one of ssh. */
export function sshLine(port: number, { SSH_CONNECTION, USER } = process.env): string | undefined {
  const [, , address] = SSH_CONNECTION?.split(' ') ?? [];
  return address === undefined ? undefined : `ssh -N -L ${port}:127.0.0.1:${port} ${USER === undefined ? '' : `${USER}@`}${address}`;
}

function untilInterrupted(onEnter: () => void): Promise<void> {
  return new Promise((resolve) => {
    const lines = createInterface({ input: process.stdin });
    const end = () => {
      lines.close();
      resolve();
    };
    lines.on('line', onEnter);
    lines.once('close', end);
    process.once('SIGINT', end);
    process.once('SIGTERM', end);
  });
}
