/**
 * Says what became of a window on hosts, from outside: by ssh under an account that may do nothing, with dpkg-query, systemctl, patronictl
 * and psql there, and by the client's ledger. It imports nothing of the product's, and asks nothing of it.
 *
 *   node e2e/hosts/judge.mjs ROW_FILE
 *
 * Prints one line per figure and the row as JSON at the end, and ends with 1 if any figure is not as it should be.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';

const ANSWER_WITHIN_MS = 20_000;
const MOST_OUTPUT_BYTES = 64 * 1024 * 1024;

const run = promisify(execFile);

/** @param row what is expected, and how the hosts are reached: `RowFile` in e2e/support/hosts/rows.ts. */
export async function judge(row) {
  const on = (host, command) => ask(row, host, command);
  const hosts = await Promise.all(
    row.hosts.map(async (host) => ({ ...host, seen: await lookAt(host, Object.keys(row.versions), on) })),
  );
  const [first] = row.hosts;
  // The members' own configuration holds passwords, and this account may not read it.
  const patronictl = `printf 'etcd3:\\n  host: 127.0.0.1:2379\\n' > patronictl.yml; patronictl -c patronictl.yml`;
  const members = JSON.parse(await on(first, `${patronictl} list -f json ${row.scope}`));
  const config = await on(first, `${patronictl} show-config ${row.scope}`);
  const client = await clientFigures(row, members, on);
  return {
    figures: [
      ...hosts.flatMap(({ name, seen }) => hostFigures(row, name, seen)),
      figure('members', row.hosts.length, members.length),
      figure('leaders', 1, members.filter(({ Role }) => /leader/i.test(Role)).length),
      figure('members that run', row.hosts.length, members.filter(({ State }) => /^(running|streaming)$/.test(State)).length),
      figure('tags', '', members.flatMap(({ Tags }) => (Tags ? [JSON.stringify(Tags)] : [])).join(' ')),
      figure('paused', false, /^pause: true/m.test(config)),
      ...(row.mayLose ? [] : [figure('acknowledged writes that are lost', 0, client.lost)]),
    ],
    ...client,
  };
}

function figure(name, expected, found) {
  return { figure: name, expected, found, agrees: JSON.stringify(expected) === JSON.stringify(found) };
}

function hostFigures({ versions, rebooted, bootIds }, host, seen) {
  return [
    ...Object.entries(versions).map(([name, version]) => figure(`${host}: ${name}`, `${version} ii`, seen.packages[name])),
    figure(`${host}: half installed`, '', seen.audit),
    figure(`${host}: held packages`, '', seen.held),
    figure(`${host}: left behind`, '', seen.left),
    figure(`${host}: patroni`, 'active enabled', seen.unit),
    ...(rebooted === undefined ? [] : [figure(`${host}: rebooted`, rebooted.includes(host), seen.bootId !== bootIds[host])]),
  ];
}

async function lookAt(host, packages, on) {
  const lines = await on(
    host,
    `dpkg-query -W -f 'package \${Package} \${Version} \${db:Status-Abbrev}\\n' ${packages.join(' ')}
printf 'audit %s\\n' "$(dpkg --audit | tr '\\n' ' ')"
printf 'held %s\\n' "$(apt-mark showhold | tr '\\n' ' ')"
printf 'left %s\\n' "$(ls -d /etc/systemd/system/*.d/understudy-* /etc/understudy/patroni.d/20-* 2>/dev/null | tr '\\n' ' ')"
printf 'unit %s %s\\n' "$(systemctl is-active patroni)" "$(systemctl is-enabled patroni)"
printf 'boot %s\\n' "$(cat /proc/sys/kernel/random/boot_id)"`,
  );
  const told = (word) => new RegExp(`^${word} (.*)$`, 'm').exec(lines)?.[1].trim() ?? '';
  const installed = [...lines.matchAll(/^package (\S+) (\S+) (.*?)\s*$/gm)];
  return {
    packages: Object.fromEntries(installed.map(([, name, version, state]) => [name, `${version} ${state}`])),
    audit: told('audit'),
    held: told('held'),
    left: told('left'),
    unit: told('unit'),
    bootId: told('boot'),
  };
}

/** The ledger is the client's own account of what the database acknowledged; psql says what is there. */
async function clientFigures({ client, ledger, hosts }, members, on) {
  const lines = readFileSync(ledger, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
  const entries = lines.map((line) => JSON.parse(line));
  const acks = entries.filter(({ kind }) => kind === 'ack');
  const leader = members.find(({ Role }) => /leader/i.test(Role))?.Member;
  const address = hosts.find(({ name }) => name === leader)?.address;
  const login = `PGPASSWORD='${client.password}' psql -h ${address} -U ${client.user} -d ${client.database}`;
  const rows = await on(hosts[0], `${login} -qAtX -v ON_ERROR_STOP=1 -c 'select n from ${client.table}'`);
  const there = new Set(rows.trim().split('\n').map(Number));
  const gaps = acks.slice(1).map(({ at }, index) => at - acks[index].at);
  return {
    acknowledged: acks.length,
    failed: entries.filter(({ kind }) => kind === 'fail').length,
    lost: acks.filter(({ n }) => !there.has(n)).length,
    longestGapMs: Math.round(gaps.reduce((longest, gap) => Math.max(longest, gap), 0)),
  };
}

async function ask({ ssh }, { name, address }, command) {
  const options = [
    'BatchMode=yes',
    'StrictHostKeyChecking=yes',
    `UserKnownHostsFile=${ssh.knownHosts}`,
    'ConnectTimeout=10',
    'LogLevel=ERROR',
  ];
  const argv = [
    '-F',
    '/dev/null',
    '-i',
    ssh.key,
    ...options.flatMap((option) => ['-o', option]),
    `${ssh.user}@${address}`,
    command,
  ];
  try {
    return (await run('ssh', argv, { timeout: ANSWER_WITHIN_MS, maxBuffer: MOST_OUTPUT_BYTES })).stdout;
  } catch (error) {
    throw new Error(`${name} could not be asked: ${String(error.stderr || error.message).trim()}`, { cause: error });
  }
}

const row = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const judged = await judge(row);
for (const { figure: name, expected, found, agrees } of judged.figures)
  console.log(
    `${agrees ? 'agrees ' : 'DIFFERS'} ${name}: ${JSON.stringify(found)}${agrees ? '' : `, expected ${JSON.stringify(expected)}`}`,
  );
console.log(JSON.stringify(judged));
process.exitCode = judged.figures.every(({ agrees }) => agrees) ? 0 : 1;
