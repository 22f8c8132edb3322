import { parse } from 'yaml';
import { type Inventory, InventoryBuilder, type Vars } from './inventory.js';
import { wordsOf } from './words.js';

const NO_GROUP = 'ungrouped';

/** @param text an inventory in Ansible's INI or YAML. @throws Error that names the line, where it is neither. */
export function parseInventory(text: string): Inventory {
  const isYaml = /^\s*(?:---|[\w.-]+:\s*(?:#.*)?$)/m.test(firstLine(text));
  return isYaml ? fromYaml(text) : fromIni(text);
}

/** The variables of a file in `group_vars` or `host_vars`; what a vault keeps is not among them. */
export function parseVars(text: string): Vars {
  return textsOf(parse(text, { logLevel: 'error' }) as unknown);
}

function firstLine(text: string): string {
  return text.split('\n').find((line) => line.trim() !== '' && !/^\s*[#;]/.test(line)) ?? '';
}

function fromYaml(text: string): Inventory {
  const builder = new InventoryBuilder();
  const document: unknown = parse(text, { logLevel: 'error' });
  for (const [name, group] of entriesOf(document)) addGroup(builder, name, group);
  return builder.inventory();
}

function addGroup(builder: InventoryBuilder, name: string, value: unknown): void {
  const group = builder.group(name);
  const parts = Object.fromEntries(entriesOf(value));
  Object.assign(group.vars, textsOf(parts['vars']));
  for (const [pattern, vars] of entriesOf(parts['hosts'])) builder.addHosts(name, pattern, textsOf(vars));
  for (const [child, content] of entriesOf(parts['children'])) {
    group.children.add(child);
    addGroup(builder, child, content);
  }
}

function entriesOf(value: unknown): readonly (readonly [string, unknown])[] {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : [];
}

/** Texts, numbers and truth; lists and maps say nothing about where a host is. */
function textsOf(value: unknown): Vars {
  const plain = entriesOf(value).filter(([, each]) => ['string', 'number', 'boolean'].includes(typeof each));
  return Object.fromEntries(plain.map(([name, each]) => [name, String(each)]));
}

function fromIni(text: string): Inventory {
  const builder = new InventoryBuilder();
  let [group, kind] = [NO_GROUP, 'hosts'];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const content = line.trim();
    if (content === '' || /^[#;]/.test(content)) continue;
    const section = /^\[([^\]:]+)(?::(vars|children))?\]\s*(?:[#;].*)?$/.exec(content);
    if (section !== null) {
      [group, kind] = [section[1] ?? NO_GROUP, section[2] ?? 'hosts'];
      builder.group(group);
      continue;
    }
    try {
      addLine(builder, group, kind, content);
    } catch (error) {
      throw new Error(`Line ${index + 1} of the inventory: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return builder.inventory();
}

function addLine(builder: InventoryBuilder, group: string, kind: string, content: string): void {
  if (kind === 'vars') {
    const [, name = '', value = ''] = /^([^=\s]+)\s*=\s*(.*)$/.exec(content) ?? [];
    if (name === '') throw new Error(`"${content}" is no NAME=VALUE.`);
    builder.group(group).vars[name] = wordsOf(value).join(' ');
    return;
  }
  const [first = '', ...rest] = wordsOf(content);
  if (kind === 'children') {
    builder.group(first);
    builder.group(group).children.add(first);
    return;
  }
  const stray = rest.find((word) => !/^[^=]+=/.test(word));
  if (stray !== undefined) throw new Error(`"${stray}" is no NAME=VALUE.`);
  const vars = Object.fromEntries(rest.map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)]));
  const [, name = first, port] = /^([^:]+(?:\[[^\]]*\])?[^:]*):(\d+)$/.exec(first) ?? [];
  builder.addHosts(group, name, port === undefined ? vars : { ansible_port: port, ...vars });
}
