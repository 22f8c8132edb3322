/** Commands through the real door (token, validation, idempotency key, append) against a bare route that inserts one row. */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { type Benchmark, median, medianRatio, quantile, type Report } from './benchmark.js';
import { startBenchDatabase } from './database.js';

const CONNECTIONS = 64;
const ROUNDS = 7;
const WARM_UP_MS = 1_000;
const ROUND_MS = 2_000;
const PROGRAM = fileURLToPath(new URL('./rest-server.js', import.meta.url));
const BODY = JSON.stringify({
  items: [{ name: 'postgresql', targetVersion: '17.10', source: 'release', artifact: 'postgresql-17.10' }],
  advisories: ['CVE-2026-0001', 'CVE-2026-0002'],
  publishedAt: '2026-01-01T00:00:00Z',
});

interface Server {
  readonly url: string;
  readonly token: string;
  readonly folder: string;
  readonly child: ChildProcess;
}

interface Round {
  readonly perSecond: number;
  readonly p99Ms: number;
}

async function start(kind: 'product' | 'bare', connection: string): Promise<Server> {
  const child = spawn(process.execPath, [PROGRAM, kind, connection], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout });
  const [line] = (await Promise.race([once(lines, 'line'), once(child, 'exit').then(() => [''])])) as [string];
  if (line === '') throw new Error(`The ${kind} server did not start.`);
  return { ...(JSON.parse(line) as Omit<Server, 'child'>), child };
}

async function stop({ child, folder }: Server): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'exit');
  if (folder !== '') rmSync(folder, { recursive: true, force: true });
}

function post(server: Server, agent: Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = {
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(BODY),
      Authorization: `Bearer ${server.token}`,
      'Idempotency-Key': randomUUID(),
    };
    const sent = request(`${server.url}/v1/patch-sets`, { method: 'POST', agent, headers }, (answer) => {
      answer.resume();
      answer.on('end', () => (answer.statusCode === 201 ? resolve() : reject(new Error(`answered ${answer.statusCode}`))));
    });
    sent.on('error', reject);
    sent.end(BODY);
  });
}

async function round(server: Server, forMs: number): Promise<Round> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const latencies: number[] = [];
  const began = performance.now();
  const client = async (): Promise<void> => {
    while (performance.now() - began < forMs) {
      const before = performance.now();
      await post(server, agent);
      latencies.push(performance.now() - before);
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, client));
  agent.destroy();
  return { perSecond: latencies.length / ((performance.now() - began) / 1_000), p99Ms: quantile(latencies, 0.99) };
}

async function measure(progress: (line: string) => void): Promise<Report> {
  const database = await startBenchDatabase();
  const servers: Server[] = [];
  try {
    const admin = new pg.Client({ connectionString: database.adminConnection });
    await admin.connect();
    await admin.query('create table bench_row (id uuid primary key, body text not null)');
    await admin.end();
    const ours = await start('product', database.serviceConnection);
    servers.push(ours);
    const partner = await start('bare', database.adminConnection);
    servers.push(partner);
    const rounds: { ours: Round; partner: Round }[] = [];
    for (const server of servers) await round(server, WARM_UP_MS);
    for (let count = 1; count <= ROUNDS; count += 1) {
      // Taking turns in who goes first: neither always meets the machine as the other left it.
      const first = count % 2 === 0 ? ours : partner;
      const one = await round(first, ROUND_MS);
      const two = await round(first === ours ? partner : ours, ROUND_MS);
      const both = first === ours ? { ours: one, partner: two } : { ours: two, partner: one };
      rounds.push(both);
      progress(`round ${count}: ${both.ours.perSecond.toFixed(0)} commands/s, bare ${both.partner.perSecond.toFixed(0)}/s`);
    }
    return report(rounds);
  } finally {
    for (const server of servers) await stop(server);
    await database.stop();
  }
}

function report(rounds: readonly { readonly ours: Round; readonly partner: Round }[]): Report {
  const of = (which: 'ours' | 'partner', what: keyof Round): number[] => rounds.map((one) => one[which][what]);
  const row = (name: string, which: 'ours' | 'partner'): string[] => [
    name,
    median(of(which, 'perSecond')).toFixed(0),
    `${median(of(which, 'p99Ms')).toFixed(1)} ms`,
  ];
  return {
    title: 'Commands through REST',
    method: `${CONNECTIONS} connections, POST of a patch set: token, JSON Schema, idempotency key, append with chain; against a bare Fastify route that inserts one row by a prepared statement through a pool of 16. Median of ${ROUNDS} interleaved rounds of ${ROUND_MS} ms; each server in a process of its own, the client in a third.`,
    columns: ['', 'per second', 'p99'],
    rows: [row('product', 'ours'), row('bare route', 'partner')],
    targets: [
      {
        what: 'commands per second against the bare route',
        measured: medianRatio(of('ours', 'perSecond'), of('partner', 'perSecond')),
        required: 0.7,
        sense: 'at-least',
      },
    ],
  };
}

export const rest: Benchmark = {
  name: 'rest',
  purpose: 'commands through the real door against a bare route that inserts one row',
  run: measure,
};
