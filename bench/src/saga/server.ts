/**
 * The saga in a process of its own: the owner of rollouts over the log that ships, with clusters that answer at once. Takes orders as
 * lines of JSON on stdin, answers each with a line on stdout. `node server.js CONNECTION INSTANCE [FOLDER]`.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { openStore, type Store, type StoredEvent } from '@understudy/event-log';
import { Looker, Owner, Performer, RolloutStore, systemMetadata, Targets } from '@understudy/orchestrator/saga';
import { createProbe } from '@understudy/probe';
import { createRuntime, newId } from '@understudy/runtime';
import { v7 as uuidv7 } from 'uuid';
import { quantile } from '../benchmark.js';
import { clusterNamed, gateInputs, Ground, plannedFor } from './ground.js';

/** `flight`: that many rollouts from their plans to their ends, 256 at once or all together. `floor`: the same appends, by as many callers. */
export type Order =
  | { readonly do: 'flight'; readonly from: number; readonly count: number; readonly together: boolean }
  | { readonly do: 'floor'; readonly callers: number; readonly streams: number }
  /** Takes up what is unfinished; answers when each of `count` rollouts has moved, and again when all have ended. */
  | { readonly do: 'take-up'; readonly count: number };

export interface Flight {
  readonly rollouts: number;
  readonly steps: number;
  readonly appends: number;
  readonly seconds: number;
  readonly p99Ms: number;
  /** Of this process, in milliseconds. */
  readonly cpuMs: number;
  readonly peakBytes: number;
}

/** Each plans a rollout and waits for its end before it plans the next one, unless all shall be in flight together. */
const PLANNERS = 256;
const SAMPLE_MS = 50;

const [, , connectionString = '', instance = '', folder] = process.argv;
const say = (answer: object): void => void process.stdout.write(`${JSON.stringify(answer)}\n`);

/** Tells of each order that was accepted. */
class WatchedRollouts extends RolloutStore {
  heard: (rolloutId: string, stored: readonly StoredEvent[], isClosed: boolean) => void = () => undefined;

  constructor(
    store: Store,
    private readonly now: () => number,
  ) {
    super(store);
  }

  override async give(...[live, ...rest]: Parameters<RolloutStore['give']>): ReturnType<RolloutStore['give']> {
    const answer = await super.give(live, ...rest);
    if (!answer.accepted) return answer;
    for (const { type, body } of answer.stored)
      if (type === 'DriftAssessmentRequested')
        void this.assess(live.rolloutId, (body as { readonly requestId: string }).requestId);
    this.heard(live.rolloutId, answer.stored, live.state.status === 'closed');
    return answer;
  }

  /** As the message would come from the drift service, at once and without findings. */
  private async assess(rolloutId: string, requestId: string): Promise<void> {
    const at = new Date(this.now()).toISOString();
    const assessment = { requestId, assessedAt: at, blocking: [], warnings: 0, waived: 0, incomplete: [] } as const;
    await this.handle(rolloutId, { type: 'RecordDriftAssessment', assessment, at }, systemMetadata());
  }
}

class Saga {
  private readonly ground = new Ground(folder);
  private readonly rollouts: WatchedRollouts;
  private readonly owner: Owner;
  /** While there is one, performers wait for it. */
  private barrier: Promise<void> | undefined;
  private arrived: () => void = () => undefined;

  constructor(private readonly store: Store) {
    const scratch = mkdtempSync(join(tmpdir(), 'understudy-bench-saga-'));
    const files = { tokensFile: join(scratch, 'tokens.json'), credentialsFile: join(scratch, 'credentials.json') };
    const { log, metrics } = createRuntime({ service: 'bench', logLevel: 'error', ...files });
    const now = (): number => store.now();
    this.rollouts = new WatchedRollouts(store, now);
    const targets = new Targets({
      driver: () => this.ground.driver,
      openHosts: (definition) => this.ground.openHosts(definition),
      secret: () => ({ user: '', password: '' }),
      now,
    });
    const patchSource = (): Ground['patchSource'] => this.ground.patchSource;
    const probe = createProbe();
    const unused = (): Promise<never> => Promise.reject(new Error('Nothing of this benchmark asks for it.'));
    const neighbours = (): Promise<readonly []> => Promise.resolve([]);
    const performer = new Performer({ targets, patchSource, reboot: unused, probe });
    this.owner = new Owner({
      store,
      rollouts: this.rollouts,
      log,
      metrics,
      drive: {
        looker: new Looker({ now, log, targets, patchSource, probe, neighbours, runCheck: unused }),
        performer: { perform: async (request) => (await this.passed(), performer.perform(request)) },
        gateInputs: { collect: (state) => gateInputs(this.ground, state, now) },
        planner: { plan: unused },
        hosts: targets,
        newId,
      },
      unfinished: () => unfinishedRollouts(store),
    });
  }

  /** What nothing here did not end, is taken up at once. */
  start(): Promise<void> {
    return this.owner.start();
  }

  private async passed(): Promise<void> {
    if (this.barrier === undefined) return;
    this.arrived();
    await this.barrier;
  }

  /** From the plans to the ends. `together`: nothing is performed before the last one has come to its first act. */
  async flight({ from, count, together }: Extract<Order, { do: 'flight' }>): Promise<Flight> {
    const now = (): number => this.store.now();
    const plan = (_: unknown, index: number): ReturnType<typeof plannedFor> =>
      plannedFor(this.ground, uuidv7(), clusterNamed(`c-${from + index}`), now);
    const plans = await Promise.all(Array.from({ length: count }, plan));
    if (together) this.hold(count);
    const meter = new Meter();
    const latencies: number[] = [];
    const closed = new Map<string, () => void>();
    const ends = this.ends(count, (rolloutId) => closed.get(rolloutId)?.(), meter);
    // Each is let go when it is in the log: whoever plans in production keeps none either.
    await inTurns(lettingGo(plans), PLANNERS, async (planned) => {
      const { rolloutId } = planned;
      const before = performance.now();
      const end = new Promise<void>((resolve) => closed.set(rolloutId, resolve));
      const handled = await this.rollouts.handle(
        rolloutId,
        { type: 'PlanRollout', planned, downtimePlan: null },
        systemMetadata(),
      );
      if (!handled.accepted) throw new Error(JSON.stringify(handled.refusals));
      meter.appends += 1;
      const timed = end.then(() => void latencies.push(performance.now() - before));
      if (!together) await timed;
    });
    await ends;
    return { rollouts: count, p99Ms: quantile(latencies, 0.99), ...meter.end() };
  }

  private hold(count: number): void {
    let missing = count;
    this.barrier = new Promise((open) => {
      this.arrived = () => {
        missing -= 1;
        if (missing > 0) return;
        this.barrier = undefined;
        open();
      };
    });
  }

  private ends(count: number, closed: (rolloutId: string) => void, meter: Meter): Promise<void> {
    let open = count;
    return new Promise((resolve, reject) => {
      this.rollouts.heard = (rolloutId, stored, isClosed) => {
        if (stored.length > 0) meter.appends += 1;
        meter.steps += stored.filter(({ type }) => type === 'StepSucceeded').length;
        if (!isClosed) return;
        closed(rolloutId);
        const end = stored.find(({ type }) => type === 'RolloutClosed')?.body as { readonly result?: string } | undefined;
        if (end?.result !== 'succeeded') reject(new Error(`${rolloutId} ended ${JSON.stringify(end)}`));
        open -= 1;
        if (open === 0) resolve();
      };
    });
  }

  /** Every append of a rollout that has ended, again for streams of its own. */
  async floor({ callers, streams }: Extract<Order, { do: 'floor' }>): Promise<Flight> {
    const appends = await appendsOfOneRollout(this.store);
    const latencies: number[] = [];
    const meter = new Meter();
    await inTurns(Array.from({ length: streams }).values(), callers, async () => {
      const before = performance.now();
      const id = uuidv7();
      for (const { streams: parts } of appends) {
        const renamed = parts.map((part) => ({ ...part, stream: `floor/${id}/${part.stream}` }));
        const { appended } = await this.store.log.append({ streams: renamed, metadata: systemMetadata() });
        if (!appended) throw new Error('A stream of the floor conflicted: the benchmark is broken.');
        meter.appends += 1;
      }
      latencies.push(performance.now() - before);
    });
    return { rollouts: streams, p99Ms: quantile(latencies, 0.99), ...meter.end() };
  }

  /** Counts, in the process that was started anew, rollouts that have gone on. */
  async takeUp({ count }: Extract<Order, { do: 'take-up' }>): Promise<void> {
    const moved = new Set<string>();
    const meter = new Meter();
    let isTold = false;
    const ends = this.ends(count, () => undefined, meter);
    const { heard } = this.rollouts;
    this.rollouts.heard = (rolloutId, stored, isClosed) => {
      if (stored.some(({ type }) => type !== 'RolloutAdopted')) moved.add(rolloutId);
      if (moved.size === count && !isTold) {
        isTold = true;
        say({ moving: count, atMs: Date.now() });
      }
      heard(rolloutId, stored, isClosed);
    };
    await this.start();
    say({ started: true, atMs: Date.now() });
    if (count > 0) await ends;
  }
}

class Meter {
  steps = 0;
  appends = 0;
  private peakBytes = 0;
  private readonly begun = performance.now();
  private readonly cpu = process.cpuUsage();
  private readonly timer = setInterval(() => this.sample(), SAMPLE_MS);

  private sample(): void {
    this.peakBytes = Math.max(this.peakBytes, process.memoryUsage.rss());
  }

  end(): Omit<Flight, 'rollouts' | 'p99Ms'> {
    clearInterval(this.timer);
    this.sample();
    const { user, system } = process.cpuUsage(this.cpu);
    const { steps, appends, peakBytes } = this;
    return { steps, appends, seconds: (performance.now() - this.begun) / 1_000, cpuMs: (user + system) / 1_000, peakBytes };
  }
}

/** All of them, so many at once. */
async function inTurns<T>(items: Iterator<T>, atOnce: number, work: (item: T) => Promise<void>): Promise<void> {
  const worker = async (): Promise<void> => {
    for (let next = items.next(); next.done !== true; next = items.next()) await work(next.value);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

/** From the last to the first; empties the array. */
function* lettingGo<T>(items: T[]): Generator<T> {
  for (let item = items.pop(); item !== undefined; item = items.pop()) yield item;
}

async function unfinishedRollouts(store: Store): Promise<readonly string[]> {
  const closed = `select 1 from ${store.schema}.event c where c.stream = e.stream and c.type = 'RolloutClosed'`;
  const text = `select stream from ${store.schema}.event e where type = 'RolloutPlanned' and not exists (${closed})`;
  const { rows } = await store.pool.query<{ stream: string }>(text);
  return rows.map(({ stream }) => stream.slice('rollout/'.length));
}

interface OneAppend {
  readonly streams: {
    stream: string;
    expectedVersion: number;
    events: { type: string; schemaVersion: number; body: unknown }[];
  }[];
}

/** As they were sent, by the commands that they came from. */
async function appendsOfOneRollout({ log, schema, pool }: Store): Promise<readonly OneAppend[]> {
  const { rows } = await pool.query<{ stream: string }>(
    `select stream from ${schema}.event where type = 'RolloutClosed' order by position limit 1`,
  );
  const own = await log.readStream(rows[0]?.stream ?? '');
  const hosts = (own.at(-1)?.body as { readonly hosts: readonly string[] }).hosts;
  const claims = (await Promise.all(hosts.map((host) => log.readStream(`claim/${host}`)))).flat();
  const byCommand = new Map<string, Map<string, StoredEvent[]>>();
  for (const event of [...own, ...claims]) {
    const streams = byCommand.get(event.metadata.commandId) ?? new Map<string, StoredEvent[]>();
    byCommand.set(event.metadata.commandId, streams);
    streams.set(event.stream, [...(streams.get(event.stream) ?? []), event]);
  }
  return [...byCommand.values()].map((streams) => ({
    streams: [...streams].map(([stream, events]) => ({
      stream,
      expectedVersion: (events[0]?.version ?? 1) - 1,
      events: events.map(({ type, schemaVersion, body }) => ({ type, schemaVersion, body })),
    })),
  }));
}

const store = await openStore({ connectionString, schema: 'orchestrator', instance });
const saga = new Saga(store);
let isStarted = false;
say({ open: true });
for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line) as Order;
  if (order.do === 'take-up') {
    isStarted = true;
    await saga.takeUp(order);
    say({ ended: order.count });
    continue;
  }
  if (!isStarted) await saga.start();
  isStarted = true;
  say(await (order.do === 'floor' ? saga.floor(order) : saga.flight(order)));
}
process.exit(0);
