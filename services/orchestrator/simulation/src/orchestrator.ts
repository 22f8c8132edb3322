import { isAlive, mayAdopt, type AdoptionLook, type Incarnation } from '@understudy/orchestrator-domain';
import { Drive } from './drive.js';
import { Driver, type Reach } from './driver.js';
import { Effects } from './effects.js';
import type { GateLooks } from './gates.js';
import type { Jobs } from './jobs.js';
import type { Stored } from './log.js';
import { newLife, type Life } from './scheduler.js';
import { absorb, Client, StoreUnavailable, streamOf, type Live, type Store } from './store.js';

/** As in the product. */
const LEASES_SEEN_LAST_MS = 5_000;
export const LEASE_TERM_MS = 30_000;
const RENEW_EVERY_MS = 10_000;
const RENEW_RETRY_MS = 1_000;
const ADOPT_EVERY_MS = 2_000;
const ADOPT_JITTER_MS = 500;
const FIRST_ADOPTION_MS = 50;
/** How long, in milliseconds, an append takes to be heard by another process. */
const TAIL_MS = { from: 2, to: 120 };

export interface Surroundings {
  readonly store: Store;
  readonly reach: Reach & { readonly jobs: Jobs };
  readonly gates: GateLooks;
  /** Counts what was seen to happen. */
  readonly saw: (what: string) => void;
}

/** One process: its lease, its ear on the log, and the rollouts that it drives. Dies and freezes with its life. */
export class Orchestrator implements Incarnation {
  readonly life: Life = newLife();
  /** Its clock is so far from the store's, until its next renewal. */
  skewMs = 0;
  readonly incarnation: string;
  private readonly client: Client;
  private readonly driven = new Map<string, Drive>();
  private readonly waiting = new Set<string>();
  /** Under adoption, with the newest version heard: the product's tail hears on once an adoption is done. */
  private readonly adopting = new Map<string, number>();
  /** As the product's owner keeps them: perhaps adopted. */
  private readonly unsure = new Set<string>();
  private readonly goneSince = new Map<string, { readonly incarnation: string; readonly sinceMs: number }>();
  private leaseEndsMs = 0;

  constructor(
    readonly instance: string,
    private readonly around: Surroundings,
  ) {
    this.incarnation = incarnationOf(instance, around.store.scheduler.nowMs);
    this.client = new Client(around.store, this.life);
  }

  start(): void {
    void this.keepLease();
    void this.adoptNowAndThen();
  }

  /** Which of the rollouts it drives now. */
  get drives(): readonly string[] {
    return [...this.driven.keys()];
  }

  /** The log's tail: heard a little later, in order. */
  hear(stored: readonly Stored[]): void {
    const { scheduler, chance } = this.around.store;
    scheduler.in(chance.int(TAIL_MS.from, TAIL_MS.to), this.life, () => this.pass(stored));
  }

  private pass(stored: readonly Stored[]): void {
    for (const { stream, version, event } of stored) {
      if (!stream.startsWith('rollout/')) continue;
      const rolloutId = stream.slice('rollout/'.length);
      const drive = this.driven.get(rolloutId);
      if (this.adopting.has(rolloutId)) this.adopting.set(rolloutId, version);
      if (drive !== undefined) {
        this.catchUp(drive);
        drive.wake();
      } else if (event.type === 'RolloutPlanned') this.waiting.add(rolloutId);
      else if (event.type === 'RolloutClosed') this.forget(rolloutId);
    }
  }

  /** The tail is read in order and without a gap, whatever order these wake-ups come in. */
  private catchUp(drive: Drive): void {
    const { store } = this.around;
    absorb(store, drive.live, store.log.read(`rollout/${drive.live.rolloutId}`, drive.live.version + 1));
  }

  now = (): number => this.around.store.scheduler.nowMs + this.skewMs;

  private leaseRemainingMs(): number {
    return Math.max(0, this.leaseEndsMs - this.around.store.scheduler.nowMs);
  }

  private async keepLease(): Promise<void> {
    const { store } = this.around;
    let begun = false;
    for (;;) {
      const sentAtMs = store.scheduler.nowMs;
      try {
        const kept = await this.client.ask(() => (begun ? this.renew() : this.begin()));
        begun = true;
        this.leaseEndsMs = kept ? sentAtMs + LEASE_TERM_MS : 0;
        // The same instance was started again: there is no way back for this process.
        if (!kept) return;
        this.skewMs = 0;
        await store.scheduler.sleep(RENEW_EVERY_MS, this.life);
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
        await store.scheduler.sleep(RENEW_RETRY_MS, this.life);
      }
    }
  }

  private begin(): boolean {
    const { store } = this.around;
    const { instance, incarnation } = this;
    const { nowMs } = store.scheduler;
    const lease = { instance, incarnation, endsAtMs: nowMs + LEASE_TERM_MS, sinceMs: nowMs };
    store.leases = [...store.leases.filter((each) => each.instance !== instance), lease];
    for (const { stream } of store.log.events) if (stream.startsWith('rollout/')) this.waiting.add(stream.slice(8));
    return true;
  }

  private renew(): boolean {
    const { store } = this.around;
    const lease = store.leases.find((candidate) => candidate.incarnation === this.incarnation);
    if (lease === undefined) return false;
    if (lease.endsAtMs < store.scheduler.nowMs) lease.sinceMs = store.scheduler.nowMs;
    lease.endsAtMs = store.scheduler.nowMs + LEASE_TERM_MS;
    return true;
  }

  private async adoptNowAndThen(): Promise<void> {
    const { scheduler, chance } = this.around.store;
    for (let fromMs = FIRST_ADOPTION_MS; ; fromMs = ADOPT_EVERY_MS - ADOPT_JITTER_MS) {
      await scheduler.sleep(chance.int(fromMs, ADOPT_EVERY_MS), this.life);
      if (this.waiting.size === 0 || this.leaseRemainingMs() === 0) continue;
      try {
        await this.adoptWaiting();
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
      }
    }
  }

  private async adoptWaiting(): Promise<void> {
    const { store } = this.around;
    const { look, due } = await this.client.ask(() => {
      const { nowMs } = store.scheduler;
      const leases = store.leases.map((lease) => ({ ...lease, alive: lease.endsAtMs > nowMs }));
      const seen: AdoptionLook = { self: this, leases, leaseTermMs: LEASE_TERM_MS, nowMs };
      return { look: seen, due: [...this.waiting].filter((rolloutId) => this.isDue(rolloutId, seen)) };
    });
    for (const rolloutId of due) await this.adopt(rolloutId, look);
  }

  /** Whether a look at it is worth its while: most rollouts that wait have an owner who lives. */
  private isDue(rolloutId: string, look: AdoptionLook): boolean {
    const { store } = this.around;
    const { owner, status } = store.foldedTo(rolloutId, store.log.versionOf(streamOf(rolloutId)));
    return status === 'closed' || mayAdopt(owner, this.goneForMs(rolloutId, owner, look), look);
  }

  private async adopt(rolloutId: string, look: AdoptionLook): Promise<void> {
    this.adopting.set(rolloutId, 0);
    try {
      const live = await this.client.load(rolloutId);
      if (live.state.status === 'closed') return this.forget(rolloutId);
      if (!(await this.isAdopted(live, look))) return;
      while ((this.adopting.get(rolloutId) ?? 0) > live.version) await this.client.reload(live);
      this.forget(rolloutId);
      this.drive(new Drive(this.driveTools(rolloutId), live));
    } finally {
      this.adopting.delete(rolloutId);
    }
  }

  private async isAdopted(live: Live, look: AdoptionLook): Promise<boolean> {
    const { rolloutId } = live;
    const { owner } = live.state;
    const { instance, incarnation } = this;
    if (owner?.incarnation === incarnation && this.unsure.has(rolloutId)) return true;
    if (!this.mayTake(rolloutId, owner, look)) return false;
    const at = new Date(this.now()).toISOString();
    const command = { type: 'Adopt', instance, incarnation, replaces: owner?.incarnation ?? null, at } as const;
    this.unsure.add(rolloutId);
    const given = await this.client.give(live, command, owner === null ? undefined : 1);
    this.unsure.delete(rolloutId);
    if (!given.accepted || live.state.owner?.incarnation !== incarnation) return false;
    if (owner !== null) this.around.saw(owner.instance === instance ? 'adopted by the next start' : 'adopted by another');
    return true;
  }

  private mayTake(rolloutId: string, owner: Incarnation | null, look: AdoptionLook): boolean {
    if (!mayAdopt(owner, this.goneForMs(rolloutId, owner, look), look)) return false;
    if (owner === null) return true;
    return this.leaseRemainingMs() > 0 && this.around.store.scheduler.nowMs - look.nowMs <= LEASES_SEEN_LAST_MS;
  }

  private drive(drive: Drive): void {
    const { rolloutId } = drive.live;
    this.driven.set(rolloutId, drive);
    void drive.run().then(() => {
      this.driven.delete(rolloutId);
      if (drive.live.state.status !== 'closed') this.waiting.add(rolloutId);
    });
  }

  private driveTools(rolloutId: string): ConstructorParameters<typeof Drive>[0] {
    const { store, reach, gates, saw } = this.around;
    const driver = new Driver(reach, this.life, this.now);
    return {
      scheduler: store.scheduler,
      life: this.life,
      client: this.client,
      effects: new Effects(reach, this.life, driver, this.now),
      gates,
      incarnation: this.incarnation,
      now: this.now,
      leaseRemainingMs: () => this.leaseRemainingMs(),
      newId: () => store.newId(`q-${rolloutId}`),
      saw,
    };
  }

  private goneForMs(rolloutId: string, owner: Incarnation | null, { leases }: AdoptionLook): number {
    const { nowMs } = this.around.store.scheduler;
    const known = this.goneSince.get(rolloutId);
    if (owner === null || isAlive(owner, leases)) this.goneSince.delete(rolloutId);
    else if (known?.incarnation === owner.incarnation) return nowMs - known.sinceMs;
    else this.goneSince.set(rolloutId, { incarnation: owner.incarnation, sinceMs: nowMs });
    return 0;
  }

  private forget(rolloutId: string): void {
    this.waiting.delete(rolloutId);
    this.goneSince.delete(rolloutId);
    this.unsure.delete(rolloutId);
  }
}

/** A UUIDv7 of its start: later starts are greater. */
function incarnationOf(instance: string, nowMs: number): string {
  const time = Math.floor(nowMs).toString(16).padStart(12, '0');
  const tail = [...instance].reduce((sum, letter) => sum * 31 + letter.charCodeAt(0), 7).toString(16);
  return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-${tail.padStart(12, '0').slice(-12)}`;
}
