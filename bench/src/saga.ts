/**
 * Rollouts at once in one process: how many come to their end in a second, beside the same appends without any decision; how much
 * memory ten thousand of them take; how soon a thousand move again after `kill -9`.
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { type Benchmark, median, medianRatio, type Report, type Target } from './benchmark.js';
import { startBenchDatabase } from './database.js';
import type { Cluster } from './saga/ground.js';
import { Kept } from './saga/kept.js';
import type { Flight, Order } from './saga/server.js';

const PROGRAM = fileURLToPath(new URL('./saga/server.js', import.meta.url));
const IMAGES = fileURLToPath(new URL('../../deploy/Dockerfile', import.meta.url));
const AT_ONCE = 256;
const ROUNDS = 7;
/** Each caller of the floor fills so many streams one after the other, and so many times as many rollouts are planned. */
const PER_CALLER = 2;
const IN_FLIGHT = 10_000;
const KILLED = 1_000;
const KILLS = 3;
/** The kill strikes when they have done so many steps each, on average. */
const KILLED_AFTER_STEPS = 5;
const ANSWER_LIMIT_MS = 600_000;
const LOOK_MS = 20;
const MIB = 2 ** 20;

type Answer = Partial<Flight> & {
  readonly open?: true;
  readonly started?: true;
  readonly moving?: number;
  readonly ended?: number;
  readonly atMs?: number;
};

/** Those of the orchestrator's image: what is measured is what is deployed. */
function nodeOptions(): readonly string[] {
  const [, image = ''] = readFileSync(IMAGES, 'utf8').split(' AS orchestrator\n');
  const [, entry = '[]'] = /^ENTRYPOINT (.*)$/m.exec(image) ?? [];
  const words = JSON.parse(entry) as readonly string[];
  const options = words.slice(1, words.indexOf('--import'));
  if (!options.some((option) => option.startsWith('--max-old-space-size=')))
    throw new Error(`${IMAGES} gives the orchestrator's heap no limit.`);
  return options;
}

/** The process under measurement. */
class Server {
  private readonly answers: Answer[] = [];
  private wake: () => void = () => undefined;

  private constructor(
    readonly child: ChildProcessByStdio<Writable, Readable, null>,
    readonly spawnedAtMs: number,
  ) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.answers.push(JSON.parse(line) as Answer);
      this.wake();
    });
    child.on('exit', () => this.wake());
  }

  static start(connection: string, instance: string, folder?: string): Server {
    const spawnedAtMs = Date.now();
    const args = [PROGRAM, connection, instance, ...(folder === undefined ? [] : [folder])];
    const child = spawn(process.execPath, [...nodeOptions(), ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
    return new Server(child, spawnedAtMs);
  }

  send(order: Order): void {
    this.child.stdin.write(`${JSON.stringify(order)}\n`);
  }

  /** The next answer. @throws when the process ends without one, or says nothing for too long. */
  async answer(): Promise<Answer> {
    const until = Date.now() + ANSWER_LIMIT_MS;
    for (;;) {
      const found = this.answers.shift();
      if (found !== undefined) return found;
      if (this.child.exitCode !== null || Date.now() > until)
        throw new Error('The process under measurement ended or is silent.');
      await new Promise<void>((resolve) => {
        this.wake = resolve;
        setTimeout(resolve, until - Date.now()).unref();
      });
    }
  }

  async flight(order: Order): Promise<Flight> {
    this.send(order);
    return (await this.answer()) as Flight;
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await ended;
  }
}

interface Rounds {
  readonly saga: Flight[];
  readonly floor: Flight[];
}

async function rounds(connection: string, progress: (line: string) => void): Promise<Rounds> {
  const server = Server.start(connection, 'bench-rounds');
  try {
    await server.answer();
    const count = AT_ONCE * PER_CALLER;
    let from = 0;
    const next = (): Promise<Flight> => server.flight({ do: 'flight', from: (from += count), count, together: false });
    const floor = (): Promise<Flight> => server.flight({ do: 'floor', callers: AT_ONCE, streams: count });
    await next();
    await floor();
    const all: Rounds = { saga: [], floor: [] };
    for (let number = 1; number <= ROUNDS; number += 1) {
      all.saga.push(await next());
      all.floor.push(await floor());
      progress(
        `round ${number}: ${[all.saga, all.floor].map((each) => `${perSecond(each.at(-1)).toFixed(0)}/s`).join(' beside ')}`,
      );
    }
    return all;
  } finally {
    await server.kill();
  }
}

async function tenThousand(connection: string, progress: (line: string) => void): Promise<Flight> {
  const server = Server.start(connection, 'bench-flight');
  try {
    await server.answer();
    const flight = await server.flight({ do: 'flight', from: 1_000_000, count: IN_FLIGHT, together: true });
    progress(`${IN_FLIGHT} in flight: ${perSecond(flight).toFixed(0)}/s, ${(flight.peakBytes / MIB).toFixed(0)} MiB`);
    return flight;
  } finally {
    await server.kill();
  }
}

interface Killed {
  readonly bareMs: number;
  readonly movingMs: number;
  readonly unfinished: number;
  readonly lost: number;
  readonly repeated: number;
}

/** A thousand in flight are killed; the same instance is started again. */
async function killed(connection: string, progress: (line: string) => void): Promise<Killed> {
  const folder = mkdtempSync(join(tmpdir(), 'understudy-bench-worlds-'));
  const servers: Server[] = [];
  const start = async (): Promise<Server> => {
    const server = Server.start(connection, 'bench-killed', folder);
    servers.push(server);
    await server.answer();
    return server;
  };
  const client = new pg.Client({ connectionString: connection });
  await client.connect();
  try {
    const bare = await start();
    bare.send({ do: 'take-up', count: 0 });
    const bareMs = ((await bare.answer()).atMs ?? Number.NaN) - bare.spawnedAtMs;
    await bare.kill();

    const first = await start();
    first.send({ do: 'flight', from: 2_000_000, count: KILLED, together: true });
    await inTheMiddle(client);
    await first.kill();
    const unfinished = KILLED - (await closedOf(client));
    progress(`killed with ${unfinished} of ${KILLED} in flight`);

    const second = await start();
    second.send({ do: 'take-up', count: unfinished });
    let movingMs = Number.NaN;
    for (let answer = await second.answer(); answer.ended === undefined; answer = await second.answer())
      if (answer.moving !== undefined) movingMs = (answer.atMs ?? Number.NaN) - second.spawnedAtMs;
    progress(`moving ${((movingMs - bareMs) / 1_000).toFixed(2)} s beyond a bare start`);
    return { bareMs, movingMs, unfinished, lost: KILLED - (await closedOf(client)), repeated: repeatedIn(folder) };
  } finally {
    await client.end();
    for (const server of servers) await server.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

const closedOf = (client: pg.Client): Promise<number> => countOf(client, 'RolloutClosed');

async function countOf(client: pg.Client, type: string): Promise<number> {
  const text = 'select count(*)::int as count from orchestrator.event where type = $1';
  const { rows } = await client.query<{ count: number }>(text, [type]);
  return rows[0]?.count ?? 0;
}

async function inTheMiddle(client: pg.Client): Promise<void> {
  const until = Date.now() + ANSWER_LIMIT_MS;
  while ((await countOf(client, 'StepSucceeded')) < KILLED * KILLED_AFTER_STEPS) {
    if (Date.now() > until) throw new Error('The rollouts that shall be killed do not get on.');
    await delay(LOOK_MS);
  }
}

/** By the hosts' own journals: acts that were entered for one step more than once, jobs included. */
function repeatedIn(folder: string): number {
  return Kept.all<Cluster>(folder).reduce((sum, cluster) => sum + repeatedOn(cluster), 0);
}

function repeatedOn({ machines }: Cluster): number {
  const acts = machines.flatMap(({ host, journal }) => journal.map((key) => `${host} ${withoutAttempt(key)}`));
  return acts.length - new Set(acts).size;
}

/** `jobs/<rollout>-<step>-<attempt>`, or `<rollout>/<step>/<attempt>/<act>/<n>`. */
function withoutAttempt(key: string): string {
  if (key.startsWith('jobs/')) return key.replace(/-\d+$/, '');
  const [rollout, step, , act] = key.split('/');
  return `${rollout}/${step}/${act}`;
}

const perSecond = (flight: Flight | undefined): number => (flight === undefined ? Number.NaN : flight.rollouts / flight.seconds);

function row(what: string, flights: readonly Flight[]): readonly string[] {
  const of = (figure: (flight: Flight) => number): number => median(flights.map(figure));
  return [
    what,
    of(perSecond).toFixed(0),
    of((flight) => flight.steps / flight.seconds).toFixed(0),
    of((flight) => flight.cpuMs / flight.rollouts).toFixed(2),
    of((flight) => flight.p99Ms).toFixed(0),
    of((flight) => flight.peakBytes / MIB).toFixed(0),
  ];
}

function targets(all: Rounds, many: Flight, kills: readonly Killed[]): readonly Target[] {
  const speeds = (flights: readonly Flight[]): number[] => flights.map(perSecond);
  const sum = (of: (kill: Killed) => number): number => kills.reduce((before, kill) => before + of(kill), 0);
  return [
    {
      what: `rollouts per second, ${AT_ONCE} at once, against the same appends alone`,
      measured: medianRatio(speeds(all.saga), speeds(all.floor)),
      required: 0.5,
      sense: 'at-least',
    },
    {
      what: `rollouts per second with ${IN_FLIGHT} in flight against ${AT_ONCE} at once`,
      measured: perSecond(many) / median(speeds(all.saga)),
      required: 0.8,
      sense: 'at-least',
    },
    { what: `MiB of the process with ${IN_FLIGHT} in flight`, measured: many.peakBytes / MIB, required: 512, sense: 'at-most' },
    {
      what: `seconds from the start after a kill until ${kills[0]?.unfinished} rollouts move, beyond the bare start; median of ${KILLS}`,
      measured: median(kills.map(({ movingMs, bareMs }) => movingMs - bareMs)) / 1_000,
      required: 1.5,
      sense: 'at-most',
    },
    { what: 'rollouts lost by the kills', measured: sum(({ lost }) => lost), required: 0, sense: 'at-most' },
    { what: 'acts repeated after the kills', measured: sum(({ repeated }) => repeated), required: 0, sense: 'at-most' },
  ];
}

export const saga: Benchmark = {
  name: 'saga',
  purpose: 'rollouts at once, in flight and after a kill, beside the same appends alone',
  run: async (progress): Promise<Report> => {
    const onDatabase = async <T>(work: (connection: string) => Promise<T>): Promise<T> => {
      const database = await startBenchDatabase();
      return work(database.serviceConnection).finally(() => database.stop());
    };
    const all = await onDatabase((connection) => rounds(connection, progress));
    const many = await onDatabase((connection) => tenThousand(connection, progress));
    const kills: Killed[] = [];
    for (let count = 0; count < KILLS; count += 1) kills.push(await onDatabase((connection) => killed(connection, progress)));
    const [first] = all.saga;
    const steps = (first?.steps ?? 0) / (first?.rollouts ?? 1);
    const appends = (first?.appends ?? 0) / (first?.rollouts ?? 1);
    return {
      title: 'Saga',
      method: `Rollouts of a pair, ${steps} steps and ${appends} appends each, driven by the owner that ships over the log that ships, fsync on; clusters answer at once. The floor: the same appends by ${AT_ONCE} callers, nothing decided. Median of ${ROUNDS} interleaved rounds of ${AT_ONCE * PER_CALLER}. In flight: every rollout had come to its first act before any act was performed. In processes with the options of the orchestrator's image: ${nodeOptions().join(' ')}.`,
      columns: ['what', 'rollouts per second', 'steps per second', 'CPU ms per rollout', 'p99 ms per rollout', 'peak MiB'],
      rows: [
        row(`saga, ${AT_ONCE} at once`, all.saga),
        row(`the same appends, ${AT_ONCE} callers`, all.floor),
        row(`saga, ${IN_FLIGHT} in flight`, [many]),
      ],
      targets: targets(all, many, kills),
    };
  },
};
