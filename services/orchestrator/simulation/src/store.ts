import { claimDecider, rolloutDecider, type ClaimEvent, type RolloutCommand } from '@understudy/orchestrator-domain';
import type { RolloutEvent, RolloutState } from '@understudy/orchestrator-domain';
import type { Arms } from './arms.js';
import { MemoryLog, type Append, type Stored } from './log.js';
import type { Random } from './random.js';
import type { Life, Scheduler } from './scheduler.js';

/** The store that all orchestrators share, and one process's way to it: as the product's corridor does it. */

/** As in the product: how often a command is decided again, and how long an append waits for a store that is away. */
const MAX_DECISIONS = 5;
const APPEND_LIMIT_MS = 30_000;
const LATENCY_MS = { from: 1, to: 5 };
const REFUSED_MS = { from: 20, to: 500 };

export interface LeaseRow {
  readonly instance: string;
  readonly incarnation: string;
  endsAtMs: number;
  /** It has lasted without a break since then. */
  sinceMs: number;
}

/** What may append, told of all that was. */
export interface AppendWatcher {
  appended(stored: readonly Stored[]): void;
}

export class Store {
  readonly log = new MemoryLog();
  leases: LeaseRow[] = [];
  away = false;
  watchers: AppendWatcher[] = [];
  /** Told of each order of an orchestrator that was appended, and of who owned the rollout at that moment. */
  ordered: (order: string, by: string, owner: string | null) => void = () => undefined;
  private commands = 0;
  private readonly folded = new Map<string, RolloutState[]>();

  constructor(
    readonly scheduler: Scheduler,
    readonly chance: Random,
    readonly arms: Arms,
  ) {}

  /** The state of a rollout after so many events; folded once for all who read it. */
  foldedTo(rolloutId: string, version: number): RolloutState {
    const states = this.folded.get(rolloutId) ?? [rolloutDecider.initial];
    this.folded.set(rolloutId, states);
    const known = states[version];
    if (known !== undefined) return known;
    for (const { event } of this.log.read(streamOf(rolloutId), states.length)) {
      if (states.length > version) break;
      states.push(rolloutDecider.evolve(states.at(-1) as RolloutState, event as RolloutEvent));
    }
    return states[version] as RolloutState;
  }

  newId(what: string): string {
    this.commands += 1;
    return `${what}-${this.commands}`;
  }

  append(appends: readonly Append[], commandId: string): readonly Stored[] | undefined {
    const stored = this.log.append(appends, commandId, this.scheduler.nowMs);
    if (stored !== undefined) for (const watcher of this.watchers) watcher.appended(stored);
    return stored;
  }
}

export class StoreUnavailable extends Error {}

/** A rollout as one process knows it. */
export interface Live {
  readonly rolloutId: string;
  version: number;
  state: RolloutState;
  /** Position of the newest adoption or admission. */
  epoch: number;
}

export type Given =
  | { readonly accepted: true; readonly stored: readonly Stored[] }
  | { readonly accepted: false; readonly code: string; readonly detail: string };

export function streamOf(rolloutId: string): string {
  return `rollout/${rolloutId}`;
}

export class Client {
  constructor(
    private readonly store: Store,
    private readonly life: Life,
  ) {}

  /** One question to the store. @throws StoreUnavailable */
  async ask<T>(question: () => T): Promise<T> {
    const { scheduler, chance } = this.store;
    await scheduler.sleep(chance.int(LATENCY_MS.from, LATENCY_MS.to), this.life);
    if (this.store.away) {
      await scheduler.sleep(chance.int(REFUSED_MS.from, REFUSED_MS.to), this.life);
      throw new StoreUnavailable('the store is away');
    }
    return question();
  }

  /** @throws StoreUnavailable when there is none, or no such rollout. */
  async load(rolloutId: string): Promise<Live> {
    const live: Live = { rolloutId, version: 0, state: rolloutDecider.initial, epoch: 0 };
    await this.reload(live);
    return live;
  }

  async reload(live: Live): Promise<void> {
    absorb(this.store, live, await this.ask(() => this.store.log.read(streamOf(live.rolloutId), live.version + 1)));
  }

  /** Decides and appends, with the claims that go with it; again after each conflict. @throws StoreUnavailable */
  async give(live: Live, command: RolloutCommand, decisions = MAX_DECISIONS): Promise<Given> {
    const commandId = this.store.newId('c');
    for (let count = 0; count < decisions; count += 1) {
      // What others append while this is decided makes it lose.
      const { state, version } = live;
      const decision = rolloutDecider.decide(command, state);
      if (!decision.accepted) {
        const [reason] = decision.refusals;
        return { accepted: false, code: reason?.code ?? '', detail: decision.refusals.map((each) => each.detail).join(' ') };
      }
      if (decision.events.length === 0) return { accepted: true, stored: [] };
      const claims = await this.claims(live.rolloutId, decision.events);
      if (claims === null) return { accepted: false, code: 'HOST_CLAIMED', detail: 'another rollout holds a host' };
      const own = { stream: streamOf(live.rolloutId), expectedVersion: version, events: decision.events };
      const stored = await this.append([own, ...claims], commandId);
      if (stored !== undefined) {
        if ('incarnation' in command && command.type !== 'Adopt')
          this.store.ordered(command.type, command.incarnation, state.owner?.incarnation ?? null);
        absorb(this.store, live, stored);
        return { accepted: true, stored };
      }
      await this.reload(live);
    }
    return { accepted: false, code: 'CONCURRENT_CHANGE', detail: 'others changed it each time' };
  }

  async claimedBy(host: string): Promise<string | null> {
    return (await this.claim(host)).state.rollout;
  }

  private async claim(host: string): Promise<{ readonly version: number; readonly state: typeof claimDecider.initial }> {
    const stored = await this.ask(() => this.store.log.read(`claim/${host}`));
    const state = stored.reduce((folded, { event }) => claimDecider.evolve(folded, event as ClaimEvent), claimDecider.initial);
    return { version: stored.length, state };
  }

  /** Claims go with the admission, and come back with the close. Null: another rollout holds one of them. */
  private async claims(rollout: string, decided: readonly RolloutEvent[]): Promise<readonly Append[] | null> {
    const appends: Append[] = [];
    for (const event of decided) {
      if (event.type !== 'RolloutAdmitted' && event.type !== 'RolloutClosed') continue;
      const type = event.type === 'RolloutAdmitted' ? 'ClaimHost' : 'ReleaseHost';
      for (const host of event.data.hosts) {
        const { version, state } = await this.claim(host);
        const decision = claimDecider.decide({ type, host, rollout, at: event.data.at }, state);
        if (!decision.accepted) return null;
        if (decision.events.length > 0)
          appends.push({ stream: `claim/${host}`, expectedVersion: version, events: decision.events });
      }
    }
    return appends;
  }

  /** As the product's writer: an append without an answer may be in the log, so it is looked for before it is sent again. */
  private async append(appends: readonly Append[], commandId: string): Promise<readonly Stored[] | undefined> {
    const { scheduler, chance } = this.store;
    const untilMs = scheduler.nowMs + APPEND_LIMIT_MS;
    let uncertain = false;
    for (;;) {
      try {
        if (uncertain) {
          const found = await this.ask(() => this.store.log.events.filter((event) => event.commandId === commandId));
          if (found.length > 0) return found;
          uncertain = false;
        }
        return await this.send(appends, commandId);
      } catch (error) {
        if (!(error instanceof StoreUnavailable) || scheduler.nowMs >= untilMs) throw error;
        uncertain = true;
        await scheduler.sleep(chance.int(REFUSED_MS.from, REFUSED_MS.to), this.life);
      }
    }
  }

  /** It reaches the log whatever becomes of its sender; its answer may be lost. */
  private async send(appends: readonly Append[], commandId: string): Promise<readonly Stored[] | undefined> {
    const stored = await this.ask(() => this.store.append(appends, commandId));
    // Who dies now has appended, and never learns of it.
    await this.store.scheduler.sleep(this.store.chance.int(0, LATENCY_MS.to), this.life);
    if (stored !== undefined && this.store.arms.take('commit-lost', commandId))
      throw new StoreUnavailable('the connection was lost at commit');
    return stored;
  }
}

/** Folds events that follow what is known; older ones, repeated ones and those of other streams are passed over. */
export function absorb(store: Store, live: Live, events: readonly Stored[]): void {
  const before = live.version;
  for (const { stream, version, position, event } of events) {
    if (stream !== streamOf(live.rolloutId) || version !== live.version + 1) continue;
    live.version = version;
    if (event.type === 'RolloutAdopted' || event.type === 'RolloutAdmitted') live.epoch = Math.max(live.epoch, position);
  }
  if (live.version > before) live.state = store.foldedTo(live.rolloutId, live.version);
}
