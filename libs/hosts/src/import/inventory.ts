/**
 * An Ansible inventory as far as it says where hosts are. Pure. Precedence of variables as Ansible has it, without plugins and priorities:
 * https://docs.ansible.com/ansible/latest/playbook_guide/playbooks_variables.html#understanding-variable-precedence
 */
export type Vars = Readonly<Record<string, string>>;

export interface Group {
  readonly vars: Vars;
  readonly hosts: readonly string[];
  readonly children: readonly string[];
}

export interface Inventory {
  readonly groups: ReadonlyMap<string, Group>;
  /** Variables beside a host's name. */
  readonly hosts: ReadonlyMap<string, Vars>;
}

/** What lies in `group_vars` and `host_vars` beside the inventory, by name. */
export interface VarsFiles {
  readonly groups: ReadonlyMap<string, Vars>;
  readonly hosts: ReadonlyMap<string, Vars>;
}

/** Every group is in this one. */
const ALL = 'all';
const MOST_HOSTS_OF_A_RANGE = 1_000;
/** `[01:50]`, `[a:f]`, `[0:20:2]` */
const RANGE = /^(.*?)\[(\d+|[a-zA-Z]):(\d+|[a-zA-Z])(?::(\d+))?\](.*)$/;

/** Gathers what an inventory says, place by place. */
export class InventoryBuilder {
  private readonly groups = new Map<string, { vars: Record<string, string>; hosts: Set<string>; children: Set<string> }>();
  private readonly hosts = new Map<string, Vars>();

  group(name: string): { vars: Record<string, string>; hosts: Set<string>; children: Set<string> } {
    const known = this.groups.get(name) ?? { vars: {}, hosts: new Set<string>(), children: new Set<string>() };
    this.groups.set(name, known);
    return known;
  }

  /** @param pattern a name, or many by ranges. @throws Error on a range that is none. */
  addHosts(group: string, pattern: string, vars: Vars): void {
    for (const name of namesOf(pattern)) {
      this.group(group).hosts.add(name);
      this.hosts.set(name, { ...this.hosts.get(name), ...vars });
    }
  }

  inventory(): Inventory {
    const groups = [...this.groups].map(
      ([name, { vars, hosts, children }]) => [name, { vars, hosts: [...hosts], children: [...children] }] as const,
    );
    return { groups: new Map(groups), hosts: this.hosts };
  }
}

/** @throws Error where there is no such group, or nothing in it. */
export function hostsOfGroup(inventory: Inventory, name: string): readonly string[] {
  if (name !== ALL && !inventory.groups.has(name))
    throw new Error(`The inventory has no group "${name}". It has: ${[...inventory.groups.keys()].slice(0, 20).join(', ')}.`);
  const members = name === ALL ? [...inventory.groups.keys()] : below(inventory, name);
  const hosts = [...new Set(members.flatMap((member) => inventory.groups.get(member)?.hosts ?? []))];
  if (hosts.length === 0) throw new Error(`Group "${name}" of the inventory has no hosts.`);
  return hosts;
}

/** What holds for a host: groups from the outermost to the innermost, then itself; files beside the inventory count for more than what stands in it. */
export function varsOf(inventory: Inventory, files: VarsFiles, host: string): Vars {
  const holding = [...inventory.groups.keys()].filter((name) =>
    below(inventory, name).some((member) => inventory.groups.get(member)?.hosts.includes(host)),
  );
  const order = [...new Set([ALL, ...holding])]
    .map((name) => ({ name, depth: name === ALL ? -1 : depthOf(inventory, name) }))
    .sort((a, b) => a.depth - b.depth || a.name.localeCompare(b.name));
  const layers = [
    ...order.map(({ name }) => inventory.groups.get(name)?.vars),
    ...order.map(({ name }) => files.groups.get(name)),
    inventory.hosts.get(host),
    files.hosts.get(host),
  ];
  return Object.assign({}, ...layers) as Vars;
}

/** A group and all groups in it; a circle ends where it began. */
function below(inventory: Inventory, name: string): readonly string[] {
  const found = new Set<string>([name]);
  for (const group of found) for (const child of inventory.groups.get(group)?.children ?? []) found.add(child);
  return [...found];
}

/** How many groups it lies in. */
function depthOf(inventory: Inventory, name: string): number {
  return [...inventory.groups.keys()].filter((other) => other !== name && other !== ALL && below(inventory, other).includes(name))
    .length;
}

function namesOf(pattern: string): readonly string[] {
  const [, before = '', first = '', last = '', step = '1', after = ''] = RANGE.exec(pattern) ?? [];
  if (first === '') return [pattern];
  const names = rangeOf(first, last, Number(step)).map((value) => `${before}${value}${after}`);
  if (names.length === 0) throw new Error(`"${pattern}" is no range of hosts.`);
  return names.flatMap(namesOf);
}

function rangeOf(first: string, last: string, step: number): readonly string[] {
  const isNumber = /^\d+$/.test(first);
  if (isNumber !== /^\d+$/.test(last) || step < 1) return [];
  const [from, to] = isNumber ? [Number(first), Number(last)] : [first.charCodeAt(0), last.charCodeAt(0)];
  const count = Math.floor((to - from) / step) + 1;
  if (count < 1 || count > MOST_HOSTS_OF_A_RANGE) return [];
  const values = Array.from({ length: count }, (_, index) => from + index * step);
  return values.map((value) => (isNumber ? String(value).padStart(first.length, '0') : String.fromCharCode(value)));
}
