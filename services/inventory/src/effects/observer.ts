import { inNewTrace, type Store } from '@understudy/event-log';
import type { Log } from '@understudy/runtime';
import type { DataSource } from 'typeorm';
import { LastLookRow } from '../projections/catalogue/entities.js';
import { Catalogue } from '../projections/catalogue/queries.js';
import { FactsQueue } from './facts-queue.js';
import type { States } from '../use-cases/states.js';
import type { Sight } from './sight.js';

export interface ObserverOptions {
  readonly intervalMs: number;
  readonly factsIntervalMs: number;
  /** Clusters looked at at the same time. */
  readonly concurrency: number;
  readonly lookDeadlineMs: number;
  readonly factsDeadlineMs: number;
}

export interface ObserverParts {
  readonly store: Store;
  readonly dataSource: DataSource;
  readonly sight: Sight;
  readonly states: States;
  readonly log: Log;
}

interface Timetable {
  lookAt: number;
  factsAt: number;
}

const DUTY = 'observer';
const LONGEST_SLEEP_MS = 1_000;
/** Looks are spread by this part of the interval, so that clusters registered together are not looked at together for ever. */
const JITTER = 0.2;

/**
 * Looks at every registered cluster again and again, and answers requests for facts. One process at a time does it (a
 * duty). What it finds is a command to the cluster's aggregate, which writes down what changed and nothing else.
 */
export class Observer {
  private readonly timetables = new Map<string, Timetable>();
  private readonly catalogue: Catalogue;
  private readonly queue: FactsQueue;
  private readonly running = new Set<Promise<void>>();
  /** What is under way: a cluster's slug, or a question. */
  private readonly names = new Set<string>();
  private loop: Promise<void> | undefined;
  private stopping = false;
  private wakeUp: (() => void) | undefined;
  /** Somebody woke it while it was awake: it takes another turn at once. */
  private pending = false;

  constructor(
    private readonly parts: ObserverParts,
    private readonly options: ObserverOptions,
    /** Chance in [0, 1), for the jitter. */
    private readonly chance: () => number = Math.random,
  ) {
    this.catalogue = new Catalogue(parts.dataSource);
    this.queue = new FactsQueue(parts.dataSource);
  }

  start(): void {
    this.stopping = false;
    this.loop ??= this.run();
  }

  /** Lets the looks under way end; they have their own deadlines. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.wake();
    await this.loop;
    this.loop = undefined;
    await Promise.allSettled(this.running);
  }

  /** Look at this cluster and collect its facts now (default: at what is asked for), not at its next turn. */
  wake(cluster?: string): void {
    if (cluster !== undefined) this.timetables.delete(cluster);
    this.pending = true;
    this.wakeUp?.();
  }

  private async run(): Promise<void> {
    while (!this.stopping) {
      this.pending = false;
      try {
        if (await this.parts.store.takeDuty(DUTY)) await this.turn();
      } catch (error) {
        this.parts.log.warn({ err: error }, 'the observer could not take its turn; it tries again');
      }
      await this.sleep();
    }
  }

  private async sleep(): Promise<void> {
    if (this.stopping || this.pending) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, Math.min(LONGEST_SLEEP_MS, this.options.intervalMs));
      this.wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.wakeUp = undefined;
  }

  private async turn(): Promise<void> {
    const now = this.parts.store.now();
    for (const { requestId, cluster, deadline, traceparent } of await this.queue.open()) {
      const trace = { name: 'collect facts', after: [traceparent ?? undefined], attributes: { 'understudy.cluster': cluster } };
      this.begin(`facts/${requestId}`, () => inNewTrace(trace, () => this.answer(requestId, cluster, deadline)));
    }
    const registered = await this.catalogue.slugs();
    const known = new Set(registered);
    for (const slug of this.timetables.keys()) if (!known.has(slug)) this.timetables.delete(slug);
    for (const slug of registered) {
      const timetable = this.timetableOf(slug, now);
      if (timetable.lookAt <= now) this.begin(slug, () => this.visit(slug, timetable));
    }
  }

  /** Starts work in the background, once per name and while there is room; its failure is told and never stops the observer. */
  private begin(name: string, work: () => Promise<void>): void {
    if (this.names.has(name) || this.running.size >= this.options.concurrency) return;
    this.names.add(name);
    const task = work()
      .catch((error: unknown) => this.parts.log.warn({ err: error, about: name }, 'a look was not recorded; the next one comes'))
      .finally(() => {
        this.running.delete(task);
        this.names.delete(name);
        this.wake();
      });
    this.running.add(task);
  }

  private timetableOf(slug: string, now: number): Timetable {
    const known = this.timetables.get(slug);
    if (known !== undefined) return known;
    const fresh: Timetable = { lookAt: now, factsAt: now };
    this.timetables.set(slug, fresh);
    return fresh;
  }

  private async visit(slug: string, timetable: Timetable): Promise<void> {
    const { intervalMs, factsIntervalMs } = this.options;
    // Set before the look: who wants another one meanwhile gets it.
    timetable.lookAt = this.parts.store.now() + this.spread(intervalMs);
    await this.lookAt(slug);
    if (timetable.factsAt > this.parts.store.now()) return;
    timetable.factsAt = this.parts.store.now() + this.spread(factsIntervalMs);
    await this.collect(slug, '');
  }

  private spread(intervalMs: number): number {
    return intervalMs * (1 + JITTER * (this.chance() - 0.5));
  }

  private async lookAt(slug: string): Promise<void> {
    const definition = (await this.parts.states.registered(slug))?.definition;
    if (definition === undefined) return;
    const lookedAt = new Date(this.parts.store.now());
    const look = await this.parts.sight.look(definition, this.options.lookDeadlineMs);
    const problem = look.seen
      ? look.snapshot.complete
        ? null
        : look.snapshot.disagreements.join(' ') || 'The look was not complete.'
      : look.reason;
    if (look.seen) {
      await this.parts.states.record(slug, { type: 'record-observation', snapshot: look.snapshot, evidence: look.evidence });
      await this.parts.states.record(slug, {
        type: 'assess-debt',
        patchSets: await this.catalogue.patchSets(),
        nowMs: this.parts.store.now(),
      });
    }
    const complete = look.seen && look.snapshot.complete;
    await this.parts.dataSource.getRepository(LastLookRow).upsert({ cluster: slug, lookedAt, complete, problem }, ['cluster']);
  }

  private async collect(slug: string, requestId: string): Promise<void> {
    const definition = (await this.parts.states.registered(slug))?.definition;
    if (definition === undefined) return;
    const facts = await this.parts.sight.facts(definition, this.options.factsDeadlineMs);
    await this.parts.states.record(slug, { type: 'record-facts', requestId, ...facts });
  }

  /** A question of the orchestrator: fresh facts under its request id. A cluster that nobody registered is answered as such. */
  private async answer(requestId: string, cluster: string, deadline: Date): Promise<void> {
    if (deadline.getTime() <= this.parts.store.now()) return await this.queue.close(requestId);
    if ((await this.parts.states.registered(cluster)) === undefined)
      await this.queue.answerUnknown(this.parts.store, requestId, cluster);
    else await this.collect(cluster, requestId);
    await this.queue.close(requestId);
  }
}
