import { probeJobId, type RolloutCommand, type RolloutEvent, type RolloutState } from '@understudy/orchestrator-domain';
import { summarise, viewOf } from '@understudy/platforms';
import { inject, release } from '@understudy/simulated-cluster';
import { Arms } from './arms.js';
import { planApart, planFaults, strike, type PlannedFault } from './faults.js';
import { makeFleet, T0, type Patient } from './fleet.js';
import { GateLooks, plannedOf } from './gates.js';
import { Ground, type SimulatedJob, type Site } from './ground.js';
import { Hosts } from './hosts.js';
import { Jobs } from './jobs.js';
import { Judge } from './judge.js';
import { judgeEnd } from './judge-end.js';
import { hashOf, type Stored } from './log.js';
import { Net } from './net.js';
import { Orchestrator, type Surroundings } from './orchestrator.js';
import { People } from './people.js';
import { Random } from './random.js';
import { planScenes, Scenes } from './scenes.js';
import { newLife, Scheduler, type Life } from './scheduler.js';
import { Store, streamOf } from './store.js';

/** One whole window out of one seed. */

/** So much time, in milliseconds of the window's own clock, may pass at most. */
const LONGEST_MS = 2 * 3_600_000;
const MOST_STEPS = 200_000;
const MOST_FAULTS = 43;
/** Sets the generator of the faults that are drawn apart apart. */
const APART = 0x2545_f491;
/** As well, those that wait for their moment. */
const SCENES = 0x3c6e_f372;
/** After the last fault was due, armed ones still have so many steps to strike. */
const CALM_AFTER_STEPS = 400;
/** A process looks at the leases so long, in milliseconds, before it adopts, with an append in between. */
const LOOKED_AT_LEASES_MS = 35_000;
/** Whether everybody has come to an end is looked at after each append, and once in so many steps. */
const LOOK_EVERY_STEPS = 256;
const CALM_AFTER_MS = 25 * 60_000;

export interface WindowOptions {
  readonly seed: number;
  /** Resolves when every promise that could go on has done so. */
  readonly drained: () => Promise<void>;
  /** At most so many faults are planned. */
  readonly mostFaults?: number;
  /** Only these of the seed's faults strike; left out: all. */
  readonly only?: readonly number[];
  readonly trace?: (line: string) => void;
}

export interface Breach {
  /** Of the invariant; `liveness` and `order` are the two that have no number. */
  readonly invariant: string;
  readonly detail: string;
  readonly atMs: number;
}

export interface WindowResult {
  readonly seed: number;
  readonly hash: string;
  readonly steps: number;
  readonly events: number;
  readonly results: readonly string[];
  /** Rare situations that came about, with how often. */
  readonly saw: Readonly<Record<string, number>>;
  /** Faults that changed something, by class. */
  readonly faults: Readonly<Record<string, number>>;
  /** All that were planned, whether they struck or not. */
  readonly planned: readonly PlannedFault[];
  readonly breaches: readonly Breach[];
}

/** Everything of one window, put together. */
export class Window {
  readonly chance: Random;
  readonly scheduler: Scheduler;
  readonly ground: Ground;
  readonly store: Store;
  readonly arms: Arms;
  readonly scenes = new Scenes(this);
  readonly people: People;
  readonly patients: readonly Patient[];
  readonly processes: Orchestrator[] = [];
  readonly saw: Record<string, number> = {};
  readonly faults: Record<string, number> = {};
  readonly breaches: Breach[] = [];
  /** `<cluster>/<node>` that somebody else took out. */
  readonly fenced = new Set<string>();
  /** Of people who do something by hand. */
  readonly hands: Life = newLife();
  readonly planned: readonly PlannedFault[];
  calm = false;
  private readonly around: Surroundings;

  constructor(readonly options: WindowOptions) {
    const faultChance = new Random(options.seed ^ 0x5bd1_e995);
    const drawn = planFaults(faultChance, options.mostFaults ?? MOST_FAULTS);
    this.planned = options.mostFaults === 0 ? drawn : behind(options.seed, drawn);
    this.chance = new Random(options.seed);
    this.scheduler = new Scheduler(T0 - 10_000, options.drained);
    this.ground = new Ground(this.scheduler);
    this.arms = new Arms((arm, where) => this.struck(arm, where));
    const { ground, arms, chance } = this;
    this.patients = makeFleet(chance, ground);
    this.store = new Store(this.scheduler, chance, arms);
    const net = new Net(ground, chance, arms);
    const judge = new Judge(this);
    const hosts = new Hosts(ground, chance, arms, {
      acting: (site, call) => {
        judge.acting(site, call);
        this.scenes.acting(site, call);
      },
    });
    const jobs = new Jobs(ground, hosts, chance, arms);
    jobs.watcher = judge;
    ground.watcher = judge;
    const note = (what: string): void => this.note(what);
    this.people = new People(this.store, ground, this.patients, {
      calm: () => this.calm,
      saw: note,
      mended: (slug) => this.mended(slug),
    });
    this.around = {
      store: this.store,
      reach: {
        ground,
        net,
        hosts,
        chance,
        arms,
        jobs,
        wentOn: (key, act, toldBefore) => judge.wentOn(key, act, toldBefore),
        answered: (key) => void judge.answered.add(key),
      },
      gates: new GateLooks(this.patients, this.people, judge),
      saw: note,
    };
    this.store.watchers.push(judge, this.scenes, this);
    this.store.ordered = (order, by, owner) =>
      judge.when(by !== owner, '5', () => `${order} by ${by} is taken, and ${owner ?? 'nobody'} owns the rollout.`);
  }

  appended(stored: readonly Stored[]): void {
    for (const { stream, version, event } of stored) this.trace(() => `${stream}#${version} ${event.type} ${brief(event.data)}`);
    this.people.hear(stored);
    for (const each of this.processes) each.hear(stored);
  }

  trace(line: () => string): void {
    this.options.trace?.(`${new Date(this.scheduler.nowMs).toISOString().slice(11)} ${line()}`);
  }

  note(what: string): void {
    this.saw[what] = (this.saw[what] ?? 0) + 1;
  }

  breach(invariant: string, detail: string): void {
    this.breaches.push({ invariant, detail, atMs: this.scheduler.nowMs });
    this.trace(() => `BREACH of ${invariant}: ${detail}`);
  }

  struck(fault: string, where = ''): void {
    this.faults[fault] = (this.faults[fault] ?? 0) + 1;
    this.trace(() => `FAULT ${fault} ${where}`);
  }

  later(ms: number, run: () => void): void {
    this.scheduler.in(ms, this.hands, run);
  }

  nodes(): readonly { readonly site: Site; readonly node: string }[] {
    return [...this.ground.sites.values()].flatMap((site) => Object.keys(site.world.nodes).map((node) => ({ site, node })));
  }

  probes(): readonly SimulatedJob[] {
    return this.patients.flatMap(({ rolloutId, definition }) => {
      const job = this.ground.boxes.get(definition.probeHost ?? '')?.jobs.get(probeJobId(rolloutId));
      return job === undefined ? [] : [job];
    });
  }

  begin(): void {
    const count = this.chance.int(1, 3);
    for (let index = 0; index < count; index += 1) this.startProcess(`instance-${index + 1}`);
    for (const patient of this.patients) {
      const snapshot = { ...summarise(viewOf(this.ground.site(patient.definition.slug).world)), platform: 'simulated' };
      const planned = plannedOf(patient, snapshot, this.scheduler.nowMs);
      const event: RolloutEvent = { type: 'RolloutPlanned', data: planned };
      this.store.append([{ stream: streamOf(patient.rolloutId), expectedVersion: 0, events: [event] }], 'plan');
    }
    for (const { site, node } of this.nodes())
      this.later(this.chance.int(9_000, 20_000), () =>
        this.ground.change(site.slug, 'world', (world) => inject(world, { fault: 'thaw', node })),
      );
    this.people.start();
  }

  private startProcess(instance: string): void {
    const started = new Orchestrator(instance, this.around);
    this.trace(() => `START ${instance} as ${started.incarnation}`);
    this.processes.push(started);
    started.start();
  }

  kill(process: Orchestrator, backInMs: number): void {
    process.life.alive = false;
    this.trace(() => `KILLED ${process.instance}`);
    this.processes.splice(this.processes.indexOf(process), 1);
    this.later(backInMs, () => this.startProcess(process.instance));
  }

  freeze(process: Orchestrator, forMs: number): void {
    process.life.frozen = true;
    this.trace(() => `FROZEN ${process.instance} for ${forMs} ms`);
    this.later(forMs, () => {
      if (process.life.frozen) this.wake(process);
    });
  }

  private wake(process: Orchestrator): void {
    this.silentMs = this.scheduler.nowMs;
    this.trace(() => `WOKEN ${process.instance}`);
    this.scheduler.wake(process.life);
  }

  /** Its lease lasts, and lasted when anybody may have looked. */
  hasLease(incarnation: string): boolean {
    const { nowMs } = this.scheduler;
    const lease = this.store.leases.find((each) => each.incarnation === incarnation);
    return lease !== undefined && lease.endsAtMs > nowMs && lease.sinceMs < nowMs - LOOKED_AT_LEASES_MS;
  }

  /** Somebody could not hear the log since then: a process was frozen, or the store away. */
  hadSilence(sinceMs: number): boolean {
    return this.silentMs >= sinceMs || this.store.away || this.processes.some((process) => process.life.frozen);
  }
  private silentMs = 0;

  /** A person's order to one of the rollouts. True when there was one that it could reach. */
  order(chance: Random, command: (at: string) => RolloutCommand): boolean {
    const open = this.patients.filter(({ rolloutId }) => this.stateOf(rolloutId).status !== 'closed');
    if (open.length === 0) return false;
    void this.people.give(chance.pick(open).rolloutId, command);
    return true;
  }

  /** Nothing befalls anybody any more, and everybody who was away comes back. */
  calmDown(): void {
    this.calm = true;
    this.arms.disarm();
    this.scenes.disarm();
    this.store.away = false;
    this.trace(() => 'CALM');
    for (const process of this.processes) if (process.life.frozen) this.wake(process);
  }

  private mended(slug: string): void {
    for (const name of [...this.fenced].filter((each) => each.startsWith(`${slug}/`))) {
      this.fenced.delete(name);
      this.ground.change(slug, 'foreign', (world) => release(world, name.slice(slug.length + 1)));
    }
  }

  stateOf(rolloutId: string): RolloutState {
    return this.store.foldedTo(rolloutId, this.store.log.versionOf(streamOf(rolloutId)));
  }

  get isOver(): boolean {
    return this.patients.every(({ rolloutId }) => {
      const { status } = this.stateOf(rolloutId);
      return status === 'closed' || (status === 'held' && this.people.hasGivenUp(rolloutId));
    });
  }
}

function behind(seed: number, drawn: readonly PlannedFault[]): readonly PlannedFault[] {
  return planScenes(new Random(seed ^ SCENES), planApart(new Random(seed ^ APART), drawn));
}

export async function runWindow(options: WindowOptions): Promise<WindowResult> {
  const window = new Window(options);
  const { scheduler, store } = window;
  window.begin();
  const due = window.planned.filter(({ id }) => options.only === undefined || options.only.includes(id));
  let known = 0;
  while (scheduler.nowMs < T0 + LONGEST_MS && scheduler.steps < MOST_STEPS && window.breaches.length === 0) {
    if (!(await scheduler.step())) break;
    strikeWhatIsDue(window, due);
    const isQuiet = store.log.events.length === known && scheduler.steps % LOOK_EVERY_STEPS !== 0;
    known = store.log.events.length;
    if (!isQuiet && window.isOver) break;
  }
  judgeEnd(window);
  return {
    seed: options.seed,
    hash: hashOf(JSON.stringify(store.log.events)),
    steps: scheduler.steps,
    events: store.log.events.length,
    results: window.patients
      .map((patient) => window.stateOf(patient.rolloutId))
      .map((state) => state.closed?.result ?? state.status),
    saw: window.saw,
    faults: window.faults,
    planned: window.planned,
    breaches: window.breaches,
  };
}

function isCalm({ scheduler, planned }: Window, due: readonly PlannedFault[]): boolean {
  if (scheduler.nowMs > T0 + CALM_AFTER_MS) return true;
  return due.length === 0 && scheduler.steps > (planned.at(-1)?.fromStep ?? 0) + CALM_AFTER_STEPS;
}

function strikeWhatIsDue(window: Window, due: PlannedFault[]): void {
  while (due[0] !== undefined && due[0].fromStep <= window.scheduler.steps) hit(window, due.shift() as PlannedFault);
  if (window.calm || !isCalm(window, due)) return;
  due.length = 0;
  window.calmDown();
}

function hit(window: Window, planned: PlannedFault): void {
  if (strike(window, planned)) window.struck(planned.fault);
}

function brief(data: unknown): string {
  const text = JSON.stringify(data);
  return text.length > 300 ? `${text.slice(0, 300)}...` : text;
}
