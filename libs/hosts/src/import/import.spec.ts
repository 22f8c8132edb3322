import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { importHosts } from './import-hosts.js';
import { lookupIn, wayTo } from './place.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(realpathSync(tmpdir()), 'understudy-import-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, text: string): string {
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

interface Document {
  readonly slug: string;
  readonly hosts: readonly { readonly slug: string; readonly access: Readonly<Record<string, unknown>> }[];
  readonly nodes: readonly unknown[];
}

function imported(...argv: string[]): Document {
  const { code, out, error } = importHosts(argv);
  if (code !== 0) throw new Error(error);
  return parse(out) as Document;
}

/** Where a host is, in one line. */
function ways(document: Document): readonly string[] {
  return document.hosts.map(({ slug, access }) => {
    const at = ({ address, port, user }: Readonly<Record<string, unknown>>): string => `${user}@${address}:${port ?? 22}`;
    const jumps = (access['jumps'] ?? []) as readonly Readonly<Record<string, unknown>>[];
    return `${slug} ${[...jumps, access].map(at).join(' > ')}`;
  });
}

const INI = `
; a jump host
bastion.example.com ansible_user=jump

[orders]
pg-[01:03].example.com
reports.example.com:2222 ansible_host=10.0.0.9 # of its own

[orders:vars]
ansible_port = 2200
ansible_ssh_common_args = '-o ProxyCommand="ssh -W %h:%p -q -p 2022 jump@bastion.example.com"'

[databases:children]
orders
[databases:vars]
ansible_port=22
ansible_password=hunter2
`;

const YAML = `
all:
  vars: { ansible_user: admin, ansible_become_password: !vault "$ANSIBLE_VAULT;1.1;AES256 6162" }
  children:
    databases:
      vars: { ansible_port: 2200 }
      children:
        orders:
          hosts:
            pg-[a:b]:
            pg-c: { ansible_host: 10.0.0.3, ansible_port: 22 }
`;

const CONFIG = `
Host pg-*
  HostName %h.example.com
  ProxyJump inner
Host inner
  HostName 10.1.0.1
  User hop
  ProxyJump jump@outer.example.com:2222
Host reports
  HostName 10.0.0.9
  Port 2201
  ProxyCommand none
Host *
  User admin
`;

describe('import of an Ansible inventory', () => {
  it('reads INI: ranges, ports, groups in groups, the way through a jump host', () => {
    const document = imported('--ansible', file('hosts', INI), '--group', 'databases');
    const jump = 'jump@bastion.example.com:2022 >';
    expect(ways(document)).toEqual([
      `pg-01 ${jump} understudy@pg-01.example.com:2200`,
      `pg-02 ${jump} understudy@pg-02.example.com:2200`,
      `pg-03 ${jump} understudy@pg-03.example.com:2200`,
      `reports ${jump} understudy@10.0.0.9:2222`,
    ]);
    expect(document).toMatchObject({ slug: 'databases', nodes: [{ slug: 'pg-01', host: 'pg-01' }, {}, {}, {}] });
  });

  it('reads YAML, and what lies beside it: the nearer counts, files for more than the inventory', () => {
    const inventory = file('inventory.yml', YAML);
    const orders = (): readonly string[] => ways(imported('--ansible', inventory, '--group', 'orders', '--user', 'u'));
    expect(orders()).toEqual(['pg-a u@pg-a:2200', 'pg-b u@pg-b:2200', 'pg-c u@10.0.0.3:22']);
    file('group_vars/all.yml', 'ansible_port: 2300');
    file('group_vars/orders/place.yml', 'ansible_port: 2400');
    file('group_vars/orders/vault.yml', '$ANSIBLE_VAULT;1.1;AES256\n6162');
    file('host_vars/pg-b.yaml', 'ansible_host: 10.0.0.2');
    expect(orders()).toEqual(['pg-a u@pg-a:2400', 'pg-b u@10.0.0.2:2400', 'pg-c u@10.0.0.3:22']);
  });

  it('takes what the inventory does not say from an ssh configuration', () => {
    const inventory = file('hosts', '[orders]\npg-a\npg-b ansible_host=reports ansible_port=22\n');
    const argv = ['--ansible', inventory, '--group', 'orders', '--ssh-config', file('config', CONFIG)];
    expect(ways(imported(...argv))).toEqual([
      'pg-a jump@outer.example.com:2222 > hop@10.1.0.1:22 > understudy@pg-a.example.com:22',
      'pg-b understudy@10.0.0.9:22',
    ]);
  });

  it('carries no secret, and says what is to be done next', () => {
    const inventory = file('hosts', INI);
    const { out, error } = importHosts(['--ansible', inventory, '--group', 'orders']);
    expect(out).toContain('address: 10.0.0.9');
    expect(`${out}${error}`).not.toContain('hunter2');
    expect(error).toContain('4 hosts, behind bastion.example.com.');
    expect(importHosts(['--ansible', inventory, '--group', 'all']).error).toContain('(you log in there as jump)');
  });

  it.each([
    {
      what: 'another group',
      group: 'x',
      text: INI,
      says: 'The inventory has no group "x". It has: ungrouped, orders, databases.',
    },
    { what: 'an empty group', group: 'o', text: '[o]\n', says: 'Group "o" of the inventory has no hosts.' },
    {
      what: 'a line that is none',
      group: 'o',
      text: '[o]\npg-a oops\n',
      says: 'Line 2 of the inventory: "oops" is no NAME=VALUE.',
    },
    { what: 'an open quote', group: 'o', text: '[o]\npg-a x="y\n', says: 'Line 2 of the inventory: A quote is not closed' },
    { what: 'a range backwards', group: 'o', text: '[o]\npg-[3:1]\n', says: '"pg-[3:1]" is no range of hosts.' },
    {
      what: 'a template',
      group: 'o',
      text: '[o]\na ansible_host={{ip}}\n',
      says: 'ansible_host of a is made from other variables',
    },
    { what: 'no SSH', group: 'o', text: '[o]\na ansible_connection=winrm\n', says: 'a is not reached by SSH' },
    { what: 'a port that is none', group: 'o', text: '[o]\na ansible_port=ssh\n', says: '"ssh" is no port of a.' },
    { what: 'two of one name', group: 'o', text: '[o]\na_b\na-b\n', says: '"a-b" and another host would have one slug.' },
    { what: 'broken YAML', group: 'o', text: 'all:\n  hosts: [\n', says: 'Flow sequence in block collection' },
  ])('refuses $what', ({ group, text, says }) => {
    const { code, out, error } = importHosts(['--ansible', file('hosts', text), '--group', group]);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(error).toContain(says);
  });

  it('follows groups that hold each other to an end', () => {
    const inventory = file('hosts', '[a]\npg-a\n[a:children]\nb\n[b:children]\na\n');
    expect(ways(imported('--ansible', inventory, '--group', 'b'))).toEqual(['pg-a understudy@pg-a:22']);
  });
});

describe('import of an ssh configuration', () => {
  it('reads the hosts that are named', () => {
    const config = file('config', CONFIG);
    expect(ways(imported('--ssh-config', config, '--host', 'pg-a', '--host', 'reports', '--slug', 'Orders DB'))).toEqual([
      'pg-a jump@outer.example.com:2222 > hop@10.1.0.1:22 > understudy@pg-a.example.com:22',
      'reports understudy@10.0.0.9:2201',
    ]);
  });

  it.each(['Match host pg-a exec "touch /tmp/x"', 'Include conf.d/*', 'CanonicalizeHostname yes'])(
    'refuses %s, which would have to be run or looked for',
    (line) => {
      const { code, error } = importHosts(['--ssh-config', file('config', `${line}\n`), '--host', 'pg-a']);
      expect(code).toBe(2);
      expect(error).toContain(`"${line}" in the ssh configuration is not followed.`);
    },
  );

  it('refuses a circle of jump hosts', () => {
    const circle = lookupIn('Host a\n  ProxyJump b\nHost b\n  ProxyJump a\n');
    expect(() => wayTo('a', {}, circle)).toThrow('More than 8 jump hosts, or a circle of them');
  });

  it.each([
    { args: '-J hop', way: 'hop' },
    { args: '-Jme@hop:2200,last', way: 'me@hop:2200 last' },
    { args: '-o ProxyJump=[fe80::1]:2200', way: 'fe80::1:2200' },
    { args: '-oProxyCommand="ssh -qW %h:%p -l me hop"', way: 'me@hop' },
    { args: '-C -o ControlMaster=auto', way: '' },
    { args: '-o ProxyCommand=none -J none', way: '' },
  ])('finds the jump hosts in $args', ({ args, way }) => {
    const { jumps } = wayTo('a', { ansible_ssh_extra_args: args }, lookupIn(''));
    const told = jumps.map(({ address, port, user }) => `${user ? `${user}@` : ''}${address}${port ? `:${port}` : ''}`);
    expect(told.join(' ')).toBe(way);
  });

  it('refuses a proxy command that is no jump host', () => {
    const vars = { ansible_ssh_common_args: '-o ProxyCommand="nc -x proxy %h %p"' };
    expect(() => wayTo('a', vars, lookupIn(''))).toThrow('ProxyCommand "nc -x proxy %h %p" cannot be told as a jump host.');
  });
});

it('prints help, and says what is missing', () => {
  expect(importHosts(['--help']).out).toContain('npm run --silent host:import');
  expect(importHosts([]).error).toContain('Name an inventory and its group');
  expect(importHosts(['--ansible', 'x']).error).toContain('Name the group of the inventory');
});
