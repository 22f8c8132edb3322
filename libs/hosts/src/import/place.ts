import { parseArgs } from 'node:util';
import sshConfig from 'ssh-config';
import type { Vars } from './inventory.js';
import { wordsOf } from './words.js';

/** Where sshd answers, as far as an inventory or a configuration says; a port or an account that nobody named is absent. */
export interface Place {
  readonly address: string;
  readonly port?: number;
  readonly user?: string;
}

/** A host and the way to it: each place is reached through the one before it. */
export interface Way extends Place {
  readonly jumps: readonly Place[];
}

/** What ssh's configuration says of a host that is named so. */
export type Lookup = (name: string) => {
  readonly hostName?: string;
  readonly port?: string;
  readonly user?: string;
  readonly jump?: string;
};

/** Jump hosts on one way, as ssh itself follows them. */
const MOST_JUMPS = 8;
/** Options of ssh that a value follows (ssh(1)). */
const WITH_VALUE = [...'BbcDEeFIiJLlmOoPpQRSWw'];
const CONNECTIONS = ['ssh', 'smart', 'paramiko', 'paramiko_ssh'];

/** @param text of an ssh configuration; empty where there is none. @throws Error on what cannot be told without running something. */
export function lookupIn(text: string): Lookup {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const refused = lines.find((line) => /^(?:include\b|canonicalizehostname\s*=?\s*(?:yes|always)|match\b.*\bexec\b)/i.test(line));
  if (refused !== undefined)
    throw new Error(`"${refused}" in the ssh configuration is not followed. Give a file that says outright what comes of it.`);
  const config = sshConfig.parse(text);
  return (name) => {
    const found = config.compute(name, { ignoreCase: true, matchExec: false }) as Readonly<Record<string, unknown>>;
    const said = (key: string): string | undefined => (typeof found[key] === 'string' ? found[key] : undefined);
    const [hostName, port, user] = [said('hostname')?.replaceAll('%h', name), said('port'), said('user')];
    const jump = said('proxyjump') ?? jumpOfCommand(said('proxycommand'));
    return {
      ...(hostName === undefined ? {} : { hostName }),
      ...(port === undefined ? {} : { port }),
      ...(user === undefined ? {} : { user }),
      ...(jump === undefined ? {} : { jump }),
    };
  };
}

/** Where Ansible, or ssh, would go for a host. @throws Error that says which variable does not tell it. */
export function wayTo(name: string, vars: Vars, lookup: Lookup): Way {
  const said = (...names: string[]): string | undefined => {
    const found = names.find((each) => vars[each] !== undefined);
    const value = found === undefined ? undefined : vars[found];
    if (value?.includes('{{') === true)
      throw new Error(`${found} of ${name} is made from other variables (${value}). Give the address itself.`);
    return value;
  };
  const connection = said('ansible_connection') ?? 'ssh';
  if (!CONNECTIONS.includes(connection.replace(/^.*\./, '')))
    throw new Error(`${name} is not reached by SSH (ansible_connection: ${connection}).`);
  const target = said('ansible_host', 'ansible_ssh_host') ?? name;
  const configured = lookup(target);
  const words = wordsOf([said('ansible_ssh_common_args'), said('ansible_ssh_extra_args')].join(' '));
  const jump = jumpOfWords(words) ?? configured.jump;
  const port = said('ansible_port', 'ansible_ssh_port') ?? configured.port;
  const user = said('ansible_user', 'ansible_ssh_user') ?? configured.user;
  return { ...placeOf(configured.hostName ?? target, port, user), jumps: jumpsOf(jump, lookup, MOST_JUMPS) };
}

function placeOf(address: string, port: string | undefined, user: string | undefined): Place {
  if (port !== undefined && !/^\d{1,5}$/.test(port)) throw new Error(`"${port}" is no port of ${address}.`);
  return { address, ...(port === undefined ? {} : { port: Number(port) }), ...(user === undefined ? {} : { user }) };
}

/** The last of them is next to the host. One that is itself behind another is reached through that first. */
function jumpsOf(jump: string | undefined, lookup: Lookup, left: number): readonly Place[] {
  if (jump === undefined || jump.toLowerCase() === 'none') return [];
  const [first = '', ...rest] = jump.split(',').map((each) => each.trim());
  if (left - rest.length <= 0) throw new Error(`More than ${MOST_JUMPS} jump hosts, or a circle of them: ${jump}.`);
  const before = jumpsOf(lookup(nameIn(first).name).jump, lookup, left - rest.length - 1);
  return [...before, ...[first, ...rest].map((each) => jumpPlace(each, lookup))];
}

function jumpPlace(jump: string, lookup: Lookup): Place {
  const { name, user, port } = nameIn(jump);
  const configured = lookup(name);
  return placeOf(configured.hostName ?? name, port ?? configured.port, user ?? configured.user);
}

/** `[ssh://][user@]host[:port]`, the host in brackets where it is an IPv6 address. */
function nameIn(jump: string): { readonly name: string; readonly user?: string; readonly port?: string } {
  const [, user, bracketed, plain, port] = /^(?:ssh:\/\/)?(?:(.+)@)?(?:\[([^\]]+)\]|([^:@]+))(?::(\d+))?$/.exec(jump) ?? [];
  const name = bracketed ?? plain;
  if (name === undefined) throw new Error(`"${jump}" is no jump host, such as user@host:22.`);
  return { name, ...(user === undefined ? {} : { user }), ...(port === undefined ? {} : { port }) };
}

/** The jump host in options of ssh: `-J x`, `-o ProxyJump=x`, `-o ProxyCommand="ssh -W %h:%p x"`. */
function jumpOfWords(words: readonly string[]): string | undefined {
  const options = words.flatMap((word, index) => {
    const [, letter, inline] = /^-([Jo])(.*)$/s.exec(word) ?? [];
    const value = inline === '' ? (words[index + 1] ?? '') : (inline ?? '');
    if (letter === undefined) return [];
    return letter === 'J' ? [`ProxyJump=${value}`] : [value];
  });
  const of = (name: string): string | undefined =>
    options
      .map((option) => new RegExp(`^${name}(?:\\s*=\\s*|\\s+)(.*)$`, 'is').exec(option)?.[1])
      .find((value) => value !== undefined);
  return of('ProxyJump') ?? jumpOfCommand(of('ProxyCommand'));
}

/** @throws Error where the command is no ssh that hands the connection on. */
function jumpOfCommand(command: string | undefined): string | undefined {
  if (command === undefined || command.toLowerCase() === 'none') return undefined;
  const [program = '', ...args] = wordsOf(command);
  const options = Object.fromEntries(WITH_VALUE.map((letter) => [letter, { type: 'string', short: letter } as const]));
  const { values, positionals } = parseArgs({ args, options, strict: false, allowPositionals: true });
  const [target] = positionals;
  if (!/(?:^|\/)ssh$/.test(program) || values['W'] === undefined || target === undefined)
    throw new Error(`ProxyCommand "${command}" cannot be told as a jump host. Say it with ProxyJump.`);
  const user = values['l'] === undefined || target.includes('@') ? '' : `${String(values['l'])}@`;
  return `${user}${target}${values['p'] === undefined ? '' : `:${String(values['p'])}`}`;
}
