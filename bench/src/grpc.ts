/** Events to a watcher: one stream against one unary call per event, same payload. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { orchestrator } from '@understudy/contracts';
import { RpcClient } from '@understudy/runtime';
import { type Benchmark, median, medianRatio, type Report } from './benchmark.js';
import { startBenchDatabase } from './database.js';

const EVENTS = 5_000;
const CALLS = 1_000;
const ROUNDS = 7;
const DEADLINE_MS = 10_000;
const PROGRAM = fileURLToPath(new URL('./grpc-server.js', import.meta.url));
const { getRolloutEvents, watchRollout } = orchestrator.RolloutService.method;

interface Started {
  readonly child: ChildProcess;
  readonly folder: string;
  readonly address: string;
  /** Where the bare method answers. */
  readonly bare: string;
  readonly token: string;
  /** A rollout of `EVENTS` events, and one of one. */
  readonly long: string;
  readonly single: string;
}

async function start(connection: string): Promise<Started> {
  const child = spawn(process.execPath, [PROGRAM, connection, String(EVENTS)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout });
  const [line] = (await Promise.race([once(lines, 'line'), once(child, 'exit').then(() => [''])])) as [string];
  if (line === '') throw new Error('The gRPC server did not start.');
  return { ...(JSON.parse(line) as Omit<Started, 'child'>), child };
}

/** Events per second until the last one has come. */
async function streamed(client: RpcClient, rolloutId: string): Promise<number> {
  const stop = new AbortController();
  const began = performance.now();
  let count = 0;
  let last = 0n;
  for await (const { event } of client.watch(watchRollout, { rolloutId }, stop.signal)) {
    if (event === undefined || event.position <= last) throw new Error('The stream is out of order: the benchmark is broken.');
    last = event.position;
    count += 1;
    if (count === EVENTS) break;
  }
  if (count !== EVENTS) throw new Error(`${count} of ${EVENTS} events came: the benchmark is broken.`);
  return EVENTS / ((performance.now() - began) / 1_000);
}

/** The same of a watcher that asks for each event when it has the one before. */
async function called(client: RpcClient, rolloutId: string): Promise<number> {
  const began = performance.now();
  for (let count = 0; count < CALLS; count += 1) {
    const { items } = await client.call(getRolloutEvents, { rolloutId }, DEADLINE_MS);
    if (items.length !== 1) throw new Error(`${items.length} events came: the benchmark is broken.`);
  }
  return CALLS / ((performance.now() - began) / 1_000);
}

interface Round {
  readonly stream: number;
  readonly unary: number;
  readonly bare: number;
}

function report(rounds: readonly Round[]): Report {
  const of = (which: keyof Round): number[] => rounds.map((round) => round[which]);
  const row = (name: string, which: keyof Round): string[] => [
    name,
    median(of(which)).toFixed(0),
    `${Math.min(...of(which)).toFixed(0)} to ${Math.max(...of(which)).toFixed(0)}`,
  ];
  return {
    title: 'Events to a watcher over gRPC',
    method: `One watcher, events of a rollout with bodies of 500 bytes, from the log of a server in a process of its own. By \`WatchRollout\`, ${EVENTS} events in one stream; by \`GetRolloutEvents\`, one event per call, each call after the one before; and the same call against a bare grpc-js method that answers the event from memory, without token, store or schema. Median of ${ROUNDS} interleaved rounds, ratios within a round.`,
    columns: ['', 'events per second', 'slowest to fastest round'],
    rows: [row('stream', 'stream'), row('one call per event', 'unary'), row('one call per event, bare method', 'bare')],
    targets: [
      {
        what: 'events per second by stream against one call per event',
        measured: medianRatio(of('stream'), of('unary')),
        required: 4,
        sense: 'at-least',
      },
    ],
  };
}

async function measure(progress: (line: string) => void): Promise<Report> {
  const database = await startBenchDatabase();
  let server: Started | undefined;
  const clients: RpcClient[] = [];
  try {
    server = await start(database.serviceConnection);
    const { token, address, bare, long, single } = server;
    const ours = new RpcClient({ address, token: () => token });
    const partner = new RpcClient({ address: bare });
    clients.push(ours, partner);
    await streamed(ours, long);
    await called(ours, single);
    await called(partner, single);
    const rounds: Round[] = [];
    for (let count = 1; count <= ROUNDS; count += 1) {
      const round = {
        stream: await streamed(ours, long),
        unary: await called(ours, single),
        bare: await called(partner, single),
      };
      rounds.push(round);
      const [stream, unary, least] = [round.stream, round.unary, round.bare].map((speed) => speed.toFixed(0));
      progress(`round ${count}: ${stream} events/s by stream, ${unary}/s by calls, ${least}/s by bare calls`);
    }
    return report(rounds);
  } finally {
    clients.forEach((client) => client.close());
    if (server !== undefined) {
      server.child.kill('SIGKILL');
      await once(server.child, 'exit');
      rmSync(server.folder, { recursive: true, force: true });
    }
    await database.stop();
  }
}

export const grpc: Benchmark = {
  name: 'grpc',
  purpose: 'events to a watcher by stream against one unary call per event',
  run: measure,
};
