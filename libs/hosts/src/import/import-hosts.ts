import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { parseInventory, parseVars } from './ansible.js';
import { documentOf, slugOf } from './document.js';
import { hostsOfGroup, type Vars, varsOf, type VarsFiles } from './inventory.js';
import { lookupIn, type Way, wayTo } from './place.js';

const HELP = `npm run --silent host:import -- --ansible FILE --group NAME [--ssh-config FILE] [options]
npm run --silent host:import -- --ssh-config FILE --host NAME [--host NAME ...] [options]

Prints the document of a cluster whose hosts are those of an Ansible inventory (INI or YAML, with group_vars and host_vars beside it) or
of an ssh configuration: addresses, ports and jump hosts are read there. It runs nothing, connects to nothing and copies no secret.
  npm run --silent host:import -- --ansible inventory.yml --group orders --platform patroni > orders.yaml

  --ansible FILE         the inventory
  --group NAME           the group whose hosts the cluster's nodes run on
  --ssh-config FILE      an ssh configuration, such as ~/.ssh/config
  --host NAME            a host in it; as often as there are such hosts
  --slug NAME            of the cluster (the group's or the first host's name)
  --platform NAME        what runs it (patroni)
  --user NAME            the account that host:prepare makes on the hosts (understudy)
  --credential NAME      of the private key of that account (understudy-key)
`;

const MOST_FILES = 1_000;

/** What to print, and on which channel; the exit code. */
export function importHosts(argv: readonly string[]): { readonly code: number; readonly out: string; readonly error: string } {
  try {
    return { code: 0, ...imported(argv) };
  } catch (error) {
    return { code: 2, out: '', error: `${error instanceof Error ? error.message : String(error)}\n\n${HELP}` };
  }
}

function imported(argv: readonly string[]): { readonly out: string; readonly error: string } {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      ansible: { type: 'string' },
      group: { type: 'string' },
      'ssh-config': { type: 'string' },
      host: { type: 'string', multiple: true, default: [] },
      slug: { type: 'string' },
      platform: { type: 'string', default: 'patroni' },
      user: { type: 'string', default: 'understudy' },
      credential: { type: 'string', default: 'understudy-key' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return { out: HELP, error: '' };
  const { ansible, group, 'ssh-config': config, host, platform, user, credential } = values;
  const lookup = lookupIn(config === undefined ? '' : readFileSync(config, 'utf8'));
  const { names, vars } = ansible === undefined ? { names: host, vars: (): Vars => ({}) } : fromInventory(ansible, group);
  if (names.length === 0) throw new Error('Name an inventory and its group, or an ssh configuration and its hosts.');
  const hosts = names.map((name) => ({ name, way: wayTo(name, vars(name), lookup) }));
  const source = [ansible, config].filter((each) => each !== undefined).join(' and ');
  const slug = slugOf(values.slug ?? group ?? names[0] ?? '');
  return { out: documentOf({ slug, platform, user, credential, hosts, source }), error: nextSteps(hosts) };
}

function fromInventory(file: string, group: string | undefined): { names: readonly string[]; vars: (name: string) => Vars } {
  if (group === undefined) throw new Error('Name the group of the inventory: --group NAME');
  const inventory = parseInventory(readFileSync(file, 'utf8'));
  const beside = (folder: string): ReadonlyMap<string, Vars> => varsBeside(join(dirname(file), folder));
  const files: VarsFiles = { groups: beside('group_vars'), hosts: beside('host_vars') };
  return { names: hostsOfGroup(inventory, group), vars: (name) => varsOf(inventory, files, name) };
}

/** A file, or a folder of files, for each name. */
function varsBeside(folder: string): ReadonlyMap<string, Vars> {
  const entries = existsSync(folder) ? readdirSync(folder).sort() : [];
  if (entries.length > MOST_FILES) throw new Error(`${folder} holds more than ${MOST_FILES} files.`);
  const found = new Map<string, Vars>();
  for (const entry of entries) {
    const path = join(folder, entry);
    const name = entry.replace(/\.(?:ya?ml|json)$/, '');
    const files = statSync(path).isDirectory()
      ? readdirSync(path)
          .sort()
          .map((each) => join(path, each))
      : [path];
    for (const file of files.slice(0, MOST_FILES)) found.set(name, { ...found.get(name), ...varsIn(file) });
  }
  return found;
}

/** A file that a vault has closed says nothing here. */
function varsIn(file: string): Vars {
  const text = readFileSync(file, 'utf8');
  return text.startsWith('$ANSIBLE_VAULT') ? {} : parseVars(text);
}

function nextSteps(hosts: readonly { readonly name: string; readonly way: Way }[]): string {
  const jumps = [...new Set(hosts.flatMap(({ way }) => way.jumps.map(({ address }) => address)))];
  const admins = [...new Set(hosts.map(({ way }) => way.user).filter((user) => user !== undefined))];
  return `${hosts.length} hosts${jumps.length === 0 ? '' : `, behind ${jumps.join(', ')}`}.
Next: prepare each of them with the script that "npm run host:prepare" prints${admins.length === 0 ? '' : ` (you log in there as ${admins.join(' or ')})`},
add their keys to the known hosts file, and complete the document.
`;
}
