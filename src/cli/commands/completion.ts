import type { Command } from 'commander';
import { fail } from '../../core/errors/errors.ts';
import { operationNames } from '../../operations/find.ts';
import { type Exit, print } from '../terminal/output.ts';
import { CLIENT_NAMES } from './client-config.ts';

/** Each script asks `__complete` with the words of the line so far, the one to complete last. Without an answer the shell completes files. */
const SCRIPTS: Record<string, string> = {
  bash: `_proxmox_mcp() {
  local IFS=$'\\n'
  COMPREPLY=($(compgen -W "$(proxmox-mcp __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _proxmox_mcp proxmox-mcp`,
  zsh: `_proxmox_mcp() {
  local -a found
  found=(\${(f)"$(proxmox-mcp __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)"})
  if (( \${#found} )); then compadd -a found; else _files; fi
}
compdef _proxmox_mcp proxmox-mcp`,
  fish: `function __proxmox_mcp
  set -l words (commandline -opc)
  set -e words[1]
  proxmox-mcp __complete -- $words (commandline -ct) 2>/dev/null
end
complete -c proxmox-mcp -n 'test (count (__proxmox_mcp)) -gt 0' -f -a '(__proxmox_mcp)'`,
};

/** `completion SHELL`: prints its script. */
export function completion(shell: string): Exit {
  const script = SCRIPTS[shell];
  if (script === undefined)
    fail('invalid_arguments', `${shell.slice(0, 40)} is not a supported shell.`, {
      hint: `Choose one of: ${Object.keys(SCRIPTS).join(', ')}.`,
    });
  print(script);
  return 0;
}

/** `__complete`: prints what may stand in place of the last word, which is begun and may be empty. One candidate a line. */
export function completeIn(program: Command): (words: string[]) => Exit {
  return (words) => {
    const begun = words.at(-1) ?? '';
    const [first, ...others] = words.slice(0, -1);
    // After `help` come the names of commands, as without it.
    const { command, rest } = commandOf(program, first === undefined || first === 'help' ? others : [first, ...others]);
    const before = rest.at(-1) ?? '';
    const option = command.options.find((one) => (one.required || one.optional) && [one.short, one.long].includes(before));
    const all = option ? (option.argChoices ?? []) : begun.startsWith('-') ? optionsOf(command) : wordsAfter(command, rest);
    for (const one of all) if (one.startsWith(begun)) print(one);
    return 0;
  };
}

/** The command that the words have reached, and those after its name. */
function commandOf(program: Command, words: readonly string[]): { command: Command; rest: string[] } {
  let command = program;
  let rest: string[] = [];
  for (const word of words) {
    const next = rest.length === 0 ? command.commands.find((one) => one.name() === word) : undefined;
    if (next) command = next;
    else rest = [...rest, word];
  }
  return { command, rest };
}

function optionsOf(command: Command): string[] {
  const options = command.createHelp().visibleOptions(command);
  return options.flatMap(({ long }) => long ?? []);
}

/** Names of commands, and values of the first argument where they are known without the cluster. */
function wordsAfter(command: Command, rest: readonly string[]): string[] {
  const commands = command.createHelp().visibleCommands(command);
  const values: Record<string, readonly string[]> = {
    call: operationNames,
    'client-config': CLIENT_NAMES,
    completion: Object.keys(SCRIPTS),
  };
  return [...commands.map((one) => one.name()), ...(rest.length > 0 ? [] : (values[command.name()] ?? []))];
}
