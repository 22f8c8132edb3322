import { atPlace, inNewTrace, LEASE_TERM_MS, type Store, type StoredEvent } from '@understudy/event-log';
import { type AdoptionLook, type Incarnation, isAlive, mayAdopt } from '@understudy/orchestrator-domain';
import type { Log, Metrics } from '@understudy/runtime';
import { messageOf } from '../effects/perform.js';
import { absorb, type LiveRollout, type RolloutStore } from '../handle.js';
import type { GivenEpochs } from './authority.js';
import { Drive, type DriveTools } from './drive.js';
import { LogTail } from './log-tail.js';
import { RolloutMetrics } from './rollout-metrics.js';
import { Turns } from './turns.js';

/** How often rollouts of an owner that may have died are looked at again. */
const RETRY_ADOPTION_MS = 2_000;
/** Rollouts driven at once by one process: what was seen to work. More wait until one ends, and the log says so. */
const MOST_DRIVEN = 10_000;
/** So many decide and append side by side, of which many share a flush; the others wait for their turn. */
const DECIDING_AT_ONCE = 256;
/** So long is somebody replaced on what was seen of the leases: who was silent may be back. */
const LEASES_SEEN_LAST_MS = 5_000;
/** So many are adopted side by side, of which many share a read and a flush: all that a process left behind move soon. */
const ADOPTIONS_AT_ONCE = 1_024;

export interface OwnerTools {
  readonly store: Store;
  readonly rollouts: RolloutStore;
  readonly drive: Omit<
    DriveTools,
    'rollouts' | 'incarnation' | 'eventLog' | 'checkpoints' | 'given' | 'turns' | 'now' | 'leaseRemainingMs' | 'log' | 'metrics'
  >;
  /** Ids of rollouts that are not closed, complete up to the log position given. */
  readonly unfinished: (upToPosition: number) => Promise<readonly string[]>;
  readonly log: Log;
  readonly metrics: Metrics;
}

interface LeasesSeen extends AdoptionLook {
  /** By the monotonic clock, before the store was asked. */
  readonly askedAtMs: number;
}

interface Driven {
  readonly live: LiveRollout;
  readonly drive: Drive;
  readonly done: Promise<void>;
}

/**
 * Adopts the rollouts that nobody alive owns, drives them, and passes on what others append to them. One per process;
 * the log says who owns what, so two of them may run at once and a third may have died.
 */
export class Owner {
  private readonly driven = new Map<string, Driven>();
  /** Not closed, not ours: owned by another process, or not yet adopted; with the plan where it was just heard. */
  private readonly waiting = new Map<string, StoredEvent | null>();
  /** Since when the owner of a waiting rollout was seen without a lease, by the monotonic clock. */
  private readonly goneSince = new Map<string, { readonly incarnation: string; readonly sinceMs: number }>();
  private readonly given: GivenEpochs = new Map();
  /** Adoptions of ours that may be in the log: the store did not answer. */
  private readonly unsure = new Set<string>();
  private stopping = false;
  private hasNew = true;
  private adoptAt = 0;
  private readonly tail: LogTail;
  /** The same for every rollout. */
  private readonly driveTools: DriveTools;

  constructor(private readonly tools: OwnerTools) {
    const { store, rollouts, log } = tools;
    this.driveTools = {
      ...tools.drive,
      rollouts,
      log,
      incarnation: store.incarnation,
      eventLog: store.log,
      checkpoints: store.checkpoints,
      given: this.given,
      turns: new Turns(DECIDING_AT_ONCE),
      now: store.now,
      leaseRemainingMs: () => store.leaseRemainingMs(),
      metrics: new RolloutMetrics(tools.metrics, () => [...this.driven.values()].map(({ live }) => live.state)),
    };
    this.tail = new LogTail({
      name: 'the owner of rollouts',
      eventLog: tools.store.log,
      log: tools.log,
      hear: (event) => this.pass(event),
      then: () => this.adoptWhenDue(),
    });
  }

  /** Resolves when every rollout that was unfinished is known; driving goes on until `stop`. */
  start(): Promise<void> {
    return this.tail.start(async (position) => {
      for (const rolloutId of await this.tools.unfinished(position)) this.waiting.set(rolloutId, null);
    });
  }

  /** Stops before the next act of each rollout, and waits for what may not be stopped. */
  async stop(): Promise<void> {
    this.stopping = true;
    await this.tail.stop();
    for (const { drive } of this.driven.values()) drive.stop();
    await Promise.all([...this.driven.values()].map(({ done }) => done));
  }

  private async adoptWhenDue(): Promise<void> {
    if (performance.now() < this.adoptAt && !this.hasNew) return;
    this.hasNew = false;
    this.adoptAt = performance.now() + RETRY_ADOPTION_MS;
    await this.adoptWaiting();
  }

  private pass(event: StoredEvent): void {
    if (!event.stream.startsWith('rollout/')) return;
    const rolloutId = event.stream.slice('rollout/'.length);
    const driven = this.driven.get(rolloutId);
    if (driven) {
      const before = driven.live.version;
      absorb(driven.live, [event]);
      // What its own drive appended it knows.
      if (driven.live.version > before) driven.drive.wake();
      return;
    }
    if (event.type === 'RolloutPlanned') {
      this.waiting.set(rolloutId, event);
      this.hasNew = true;
    }
    if (event.type === 'RolloutClosed') this.forget(rolloutId);
  }

  private async adoptWaiting(): Promise<void> {
    const { store, log } = this.tools;
    // Who has lost its own lease, to its successor or to a store that is away, adopts nothing: it would only fence the healthy owner.
    if (this.waiting.size === 0 || store.leaseRemainingMs() === 0) return;
    const askedAtMs = performance.now();
    const leases = await store.leases();
    const look: LeasesSeen = { self: store, leases, leaseTermMs: LEASE_TERM_MS, nowMs: store.now(), askedAtMs };
    if (this.driven.size >= MOST_DRIVEN)
      log.warn({ waiting: this.waiting.size }, `${MOST_DRIVEN} rollouts are driven; others wait`);
    const due = [...this.waiting.keys()].values();
    const adopter = async (): Promise<void> => {
      for (const rolloutId of due) {
        if (this.stopping || this.driven.size >= MOST_DRIVEN) return;
        await this.adopt(rolloutId, look).catch((error: unknown) =>
          log.warn({ rolloutId, error: messageOf(error) }, 'a rollout could not be adopted; trying again'),
        );
      }
    };
    await Promise.all(Array.from({ length: ADOPTIONS_AT_ONCE }, adopter));
  }

  private async adopt(rolloutId: string, look: LeasesSeen): Promise<void> {
    const { rollouts } = this.tools;
    const heard = this.waiting.get(rolloutId) ?? null;
    const live = heard === null ? await rollouts.load(rolloutId) : rollouts.begun(rolloutId, heard);
    this.waiting.set(rolloutId, null);
    if (live.state.status === 'closed') return this.forget(rolloutId);
    if (!(await this.isAdopted(live, look))) return;
    this.forget(rolloutId);
    if (!this.stopping) this.begin(live);
  }

  /** Adopts it, unless it is not ours to adopt. @throws StoreUnavailable, and then it may be ours. */
  private async isAdopted(live: LiveRollout, look: LeasesSeen): Promise<boolean> {
    const { store, rollouts } = this.tools;
    const { rolloutId } = live;
    const { owner } = live.state;
    const { instance, incarnation } = store;
    if (owner?.incarnation === incarnation && this.unsure.has(rolloutId)) return true;
    if (!mayAdopt(owner, this.goneForMs(rolloutId, owner, look), look)) return false;
    if (owner !== null && !this.mayReplace(look)) return false;
    const at = new Date(store.now()).toISOString();
    const command = { type: 'Adopt', instance, incarnation, replaces: owner?.incarnation ?? null, at } as const;
    const begin = { name: 'rollout adoption', after: [live.traceparent], attributes: { 'understudy.rollout_id': rolloutId } };
    // Who has appended since may be the owner, back from a silence: then its lease is looked at again.
    const decisions = owner === null ? undefined : 1;
    atPlace('before-adoption', rolloutId);
    this.unsure.add(rolloutId);
    const adopted = await inNewTrace(begin, () => rollouts.give(live, command, decisions));
    this.unsure.delete(rolloutId);
    atPlace('after-adoption', rolloutId);
    return adopted.accepted && live.state.owner?.incarnation === incarnation;
  }

  /** Neither where this process was silent itself, nor where the store took so long that the others may be back. */
  private mayReplace({ askedAtMs }: LeasesSeen): boolean {
    if (this.tools.store.leaseRemainingMs() > 0 && performance.now() - askedAtMs < LEASES_SEEN_LAST_MS) return true;
    this.hasNew = true;
    return false;
  }

  private goneForMs(rolloutId: string, owner: Incarnation | null, { leases }: AdoptionLook): number {
    const known = this.goneSince.get(rolloutId);
    if (owner === null || isAlive(owner, leases)) this.goneSince.delete(rolloutId);
    else if (known?.incarnation === owner.incarnation) return performance.now() - known.sinceMs;
    else this.goneSince.set(rolloutId, { incarnation: owner.incarnation, sinceMs: performance.now() });
    return 0;
  }

  private forget(rolloutId: string): void {
    this.waiting.delete(rolloutId);
    this.goneSince.delete(rolloutId);
    this.unsure.delete(rolloutId);
  }

  private begin(live: LiveRollout): void {
    const { store, rollouts } = this.tools;
    const drive = new Drive(this.driveTools, live);
    rollouts.follow(live);
    const done = drive.run().then(() => {
      this.driven.delete(live.rolloutId);
      rollouts.unfollow(live.rolloutId);
      // What is reported at the close shall be signed at the close; if another process signs, it does so within its interval.
      if (live.state.status === 'closed') void store.checkpoints?.sign();
      else if (!this.stopping) this.waiting.set(live.rolloutId, null);
    });
    this.driven.set(live.rolloutId, { live, drive, done });
  }
}
