import { type Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { defined } from '../../core/defined.ts';
import { asError, ERRORS, ProxmoxMcpError } from '../../core/errors/errors.ts';
import { nearest } from '../../core/text/nearest.ts';
import { chooseOutput, type Exit, isForPeople, type OutputOptions, reportError } from '../terminal/output.ts';
import { wrap } from '../terminal/wrap.ts';

/** A command that serves until it is stopped, with the options that all commands take. `run` gets the positional arguments, then the options. */
export function server(parent: Command, usage: string, description: string, options: { isDefault?: true } = {}): Command {
  return (
    parent
      .command(usage, options)
      // A group takes any word, to say which it has. What it holds would inherit that.
      .allowExcessArguments(false)
      .description(description)
      .option('--demo', 'use the embedded cluster; ignore host and token')
      .option('--settings <file>', 'read settings from this file, after the environment')
      // Node takes this spelling for itself in any place, and ends when the file does not exist.
      .addOption(new Option('--env-file <file>', 'the same as --settings').hideHelp())
  );
}

/** A command that writes a result and ends. */
export function command(parent: Command, usage: string, description: string): Command {
  return printing(server(parent, usage, description));
}

/** With the options of a command that writes a result. */
export function printing(one: Command): Command {
  return one
    .addOption(new Option('-o, --output <format>', 'write json or a table (default: table on a terminal)').choices(['json', 'table']))
    .option('-q, --quiet', 'write the result and errors only');
}

/** A command that only holds others. For an option before their names, the error lists the names. */
export function group(parent: Command, name: string, description: string): Command {
  const made = holding(parent.command(name).description(description).usage('<command> [options]').allowUnknownOption());
  return made.action(() => refuseWord(made));
}

/** A command that holds others. For a word that names none of them, the error lists their names. */
export function holding(made: Command): Command {
  return made.allowExcessArguments().hook('preAction', (_, acting) => {
    if (acting === made && made.args.length > 0) refuseWord(made);
  });
}

function refuseWord(made: Command): never {
  const [word] = made.args;
  const names = made.commands.map((one) => one.name());
  const unknown = word === undefined || word.startsWith('-') ? 'a command is missing' : `unknown command '${word}'`;
  const similar = word === undefined ? [] : nearest(word, names, 1);
  return made.error(`error: ${unknown}${meant(similar, parentNames(made))}\n${made.name()} has: ${names.join(', ')}`, { exitCode: 2 });
}

/** `help approvals list` says what `approvals list --help` does. @throws where the words name no command */
export function helpOn(program: Command): (words: string[]) => Exit {
  return (words) => {
    const command = words.reduce((one, word) => one.commands.find((each) => each.name() === word) ?? refuseHelp(one, word), program);
    command.outputHelp();
    return 0;
  };
}

function refuseHelp(one: Command, word: string): never {
  const names = one.commands.map((each) => each.name()).filter((name) => !name.startsWith('_'));
  return one.error(`error: unknown command '${word}'${meant(nearest(word, names, 1), parentNames(one))}`, { exitCode: 2 });
}

/** `\n(Did you mean: proxmox-mcp call list_vms?)`, or nothing. */
export function meant(similar: readonly string[], before: string): string {
  return similar.length === 0 ? '' : `\n(Did you mean: ${similar.map((one) => `${before} ${one}`).join(', or ')}?)`;
}

function parentNames(one: Command): string {
  return one.parent ? `${parentNames(one.parent)} ${one.name()}` : one.name();
}

/** Commander takes whatever follows as the value: without an id that would be the next option. */
export function idNotOption(text: string): string {
  if (text.startsWith('-')) throw new InvalidArgumentError('An id is missing.');
  return text;
}

type Action = (...args: never[]) => Promise<Exit> | Exit;

/**
 * @param load gives the action, whose code is loaded when the command runs. It takes the positional arguments, then the options
 * @param json errors are JSON too, where the result is
 */
export function run(load: () => Promise<Action>, { json = false } = {}): (...args: unknown[]) => Promise<void> {
  return async (...args) => {
    // Commander gives the positional arguments, the options and the command itself.
    const [options, made] = args.slice(-2) as [OutputOptions, Command];
    chooseOutput(options);
    try {
      const action = await load();
      process.exitCode = await action(...(args.slice(0, -1) as never[]));
    } catch (error) {
      if (error instanceof CommanderError) throw error;
      process.exitCode = reportError(forPerson(error, made, json), { json });
    }
  };
}

/**
 * The hints of the catalogue are for agents. A person who typed a command gets these instead.
 * @param isOperation the error may be about the parameters of an operation, which the command's help does not know
 */
function forPerson(thrown: unknown, made: Command, isOperation: boolean): ProxmoxMcpError {
  const error = asError(thrown);
  const { code, message, details, cause } = error;
  const withHint = (hint: string) => new ProxmoxMcpError(code, message, { hint, cause, ...defined({ details }) });
  if (code === 'approval_not_confirmed' && (!isOperation || isForPeople())) return withHint('Run the command again to decide.');
  if (code === 'invalid_arguments' && !isOperation && error.hint === ERRORS[code].hint)
    return withHint(`Correct the command. Help: ${parentNames(made)} --help`);
  return error;
}

/** Text below the help of a command, as wide as the terminal at most. */
export function below(text: string): () => string {
  return () => wrap(`\n${text}`);
}
