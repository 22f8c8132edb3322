import { inNewTrace, loadStream, type Store, type StoredEvent } from '@understudy/event-log';
import {
  nextTurnMs,
  ordersFor,
  resultsOf,
  windowDecider,
  type RolloutOrder,
  type RolloutSeen,
  type Scheduled,
  type WindowScheduled,
} from '@understudy/orchestrator-domain';
import { derivedId, type Log } from '@understudy/runtime';
import { messageOf } from '../effects/perform.js';
import { systemMetadata, SYSTEM, type RolloutStore } from '../handle.js';
import { withinDeadline } from '../peers.js';
import type { PlanMade, Planner } from '../planner.js';
import type { Directory } from '../projections/directory.js';
import { LogTail } from './log-tail.js';
import { Plans } from './plans.js';
import { SeenRollouts, tellsWindow } from './seen-rollouts.js';
import { windowCodec, type Windows } from '../use-cases/windows.js';

const DUTY = 'reactor/windows';
/** A cluster that cannot be looked at is planned again after this, until the window closes. */
const PLAN_AGAIN_MS = 2_000;
/** One plan takes no longer than this, whatever it waits for; then it is made again. */
const PLAN_LIMIT_MS = 60_000;
/** So many windows are brought forward before the log is heard again: a freeze does not wait behind all the others. */
const WINDOWS_AT_ONCE = 32;
/** So many rollouts of a window are told something at once. */
const TOLD_AT_ONCE = 16;
/** What a person stops, or lets go on, comes before what only time brings. */
const URGENT = ['WindowFrozen', 'WindowResumed', 'WindowAborted', 'WindowHeld', 'WindowCancelled', 'WindowRejected'];

export interface ReactorTools {
  readonly store: Store;
  readonly windows: Windows;
  readonly rollouts: RolloutStore;
  readonly planner: Planner;
  readonly directory: Directory;
  /** Ids of windows that are not closed, complete up to the log position given. */
  readonly unfinished: (upToPosition: number) => Promise<readonly string[]>;
  readonly log: Log;
}

interface Watched {
  readonly windowId: string;
  /** Something happened that may concern it. */
  dirty: boolean;
  /** A person stopped it, or let it go on, since it was brought forward. */
  urgent: boolean;
  /** When there is something to do without anything happening; milliseconds since the epoch. */
  dueAt: number;
  /** When missing plans are made again; milliseconds since the epoch. */
  planAt: number;
  /** Keys of the orders that were given to rollouts by this process. */
  readonly told: Set<string>;
  readonly rollouts: SeenRollouts;
  /** Where the newest event that concerns it was decided. */
  traceparent?: string;
}

/**
 * Window -> rollout, the one place where something crosses from one aggregate to another. It plans each rollout once, opens
 * the window at its time, lets it say which rollouts begin, passes on to each what the window said of it, and closes the
 * window when every rollout has ended. It decides nothing: what is due is the domain's to say, at the window's expected
 * version. A duty: one process does it; an order's command id is derived, so that two of them would change nothing twice.
 */
export class WindowReactor {
  private readonly watched = new Map<string, Watched>();
  /** Rollout id -> its window. */
  private readonly windowOf = new Map<string, Watched>();
  private readonly tail: LogTail;
  private readonly plans = new Plans();

  constructor(private readonly tools: ReactorTools) {
    this.tail = new LogTail({
      name: 'the window reactor',
      eventLog: tools.store.log,
      log: tools.log,
      hear: (event) => this.hear(event),
      then: () => this.reactWhereDue(),
    });
  }

  start(): Promise<void> {
    return this.tail.start(async (position) => {
      for (const windowId of await this.tools.unfinished(position)) this.watch(windowId);
    });
  }

  async stop(): Promise<void> {
    await this.tail.stop();
    await this.plans.stop();
  }

  private watch(windowId: string): void {
    const nothing = { told: new Set<string>(), rollouts: new SeenRollouts() };
    this.watched.set(windowId, { windowId, dirty: true, urgent: false, dueAt: 0, planAt: 0, ...nothing });
  }

  private forget(watched: Watched, window: WindowScheduled | null): void {
    this.watched.delete(watched.windowId);
    this.plans.want(watched.windowId, []);
    for (const { id } of window?.rollouts ?? []) this.windowOf.delete(id);
  }

  private async reactWhereDue(): Promise<void> {
    const due = [...this.watched.values()].filter((watched) => watched.dirty || this.now() >= watched.dueAt);
    if (due.length === 0 || !(await this.tools.store.takeDuty(DUTY))) return;
    const next = due.sort((left, right) => Number(right.urgent) - Number(left.urgent)).slice(0, WINDOWS_AT_ONCE);
    for (const watched of next) await this.react(watched);
  }

  private hear(event: StoredEvent): void {
    if (event.stream.startsWith('rollout/') && tellsWindow(event.type)) this.hearRollout(event);
    if (!event.stream.startsWith('window/')) return;
    const windowId = event.stream.slice('window/'.length);
    if (event.type === 'WindowScheduled') this.watch(windowId);
    const watched = this.watched.get(windowId);
    if (!watched) return;
    watched.urgent ||= URGENT.includes(event.type);
    this.concern(watched, event);
  }

  private hearRollout(event: StoredEvent): void {
    const rolloutId = event.stream.slice('rollout/'.length);
    const watched = this.windowOf.get(rolloutId);
    if (!watched) return;
    watched.rollouts.changed(rolloutId);
    this.concern(watched, event);
  }

  private concern(watched: Watched, { metadata }: StoredEvent): void {
    watched.dirty = true;
    if (metadata.traceparent !== undefined) watched.traceparent = metadata.traceparent;
  }

  /** What is done here is settled only when all of it succeeded: anything thrown leaves the window to be looked at again. */
  private async react(watched: Watched): Promise<void> {
    watched.dirty = false;
    watched.urgent = false;
    // Behind those that wait, and before them again only when something new is said.
    if (this.watched.delete(watched.windowId)) this.watched.set(watched.windowId, watched);
    try {
      const { traceparent, windowId } = watched;
      const begin = { name: 'window', after: [traceparent], attributes: { 'understudy.window_id': windowId } };
      await inNewTrace(begin, () => this.bringForward(watched));
    } catch (error) {
      watched.dirty = true;
      this.tools.log.warn(
        { windowId: watched.windowId, error: messageOf(error) },
        'a window could not be brought forward; trying again',
      );
    }
  }

  /** What was said already is passed on first: a freeze waits for nothing else. Looks at clusters are made beside all this. */
  private async bringForward(watched: Watched): Promise<void> {
    const { state } = await loadStream(this.tools.store.log, windowDecider, windowCodec, `window/${watched.windowId}`);
    const { window } = state;
    if (!window || state.status === 'closed') return this.forget(watched, window);
    for (const { id } of window.rollouts) this.windowOf.set(id, watched);
    const known = { ...state, window };
    const before = await this.seen(watched, window);
    const untold = await this.tellRollouts(watched, known, before);
    this.planMissing(watched, known, before);
    const advanced = await this.advance(watched, known);
    const rollouts = await this.seen(watched, window);
    const stillUntold = advanced === known ? untold : await this.tellRollouts(watched, advanced, rollouts);
    await this.moveOn(watched, advanced, rollouts);
    const opensAt = advanced.status === 'scheduled' ? Date.parse(window.opensAt) : Number.POSITIVE_INFINITY;
    const turnAt = nextTurnMs(advanced, rollouts, this.now()) ?? Number.POSITIVE_INFINITY;
    watched.dueAt = Math.min(opensAt, turnAt, watched.planAt);
    if (stillUntold !== undefined) throw stillUntold;
  }

  private seen(watched: Watched, { rollouts }: WindowScheduled): Promise<readonly RolloutSeen[]> {
    return watched.rollouts.read(this.tools.store.log, rollouts);
  }

  /** Lets the window say what is due now. Answers it as it is then. */
  private async advance(watched: Watched, state: Scheduled): Promise<Scheduled> {
    const rollouts = await this.seen(watched, state.window);
    const command = { type: 'AdvanceWindow', rollouts, at: this.at() } as const;
    const foreseen = windowDecider.decide(command, state);
    if (!foreseen.accepted || foreseen.events.length === 0) return state;
    const advanced = (await this.tools.windows.give(watched.windowId, command, systemMetadata())).state;
    return { ...advanced, window: state.window };
  }

  private async moveOn(watched: Watched, state: Scheduled, rollouts: readonly RolloutSeen[]): Promise<void> {
    const { window, status } = state;
    switch (status) {
      case 'scheduled':
        return this.openWhenDue(window);
      case 'open':
      case 'held':
      case 'frozen':
      case 'aborting':
        return this.closeWhenDone(state, rollouts);
      case 'rejected':
      case 'cancelled':
        // A window that never opens is done with when the rollouts that had been planned for it have ended.
        if (this.plans.records(window.windowId)) return;
        if (rollouts.every((rollout) => !rollout.planned || rollout.ended !== null)) this.forget(watched, window);
        return;
      case 'absent':
      case 'closed':
        return;
    }
  }

  private async openWhenDue(window: WindowScheduled): Promise<void> {
    if (this.now() < Date.parse(window.opensAt)) return;
    const command = { type: 'OpenWindow', at: this.at() } as const;
    await this.tools.windows.give(window.windowId, command, systemMetadata(derivedId('open', window.windowId)));
  }

  private planMissing(watched: Watched, { window, status, givenUp }: Scheduled, rollouts: readonly RolloutSeen[]): void {
    const plans = status === 'scheduled' || status === 'open' || status === 'held' || status === 'frozen';
    const missing = rollouts.filter(({ id, planned }) => plans && !planned && givenUp[id] === undefined);
    this.plans.want(
      watched.windowId,
      missing.map(({ id }) => id),
    );
    if (this.now() < watched.planAt) return;
    watched.planAt = Number.POSITIVE_INFINITY;
    for (const { id, cluster } of missing) {
      this.plans.make(watched.windowId, id, {
        look: () => this.look(window, id, cluster),
        record: (made) => this.record(window, id, made),
        ended: (recorded) => this.planned(watched, recorded),
      });
    }
  }

  /** The rollout itself tells what was planned. Whatever waited for the end of the recording is looked at again. */
  private planned(watched: Watched, recorded: boolean): void {
    watched.dirty = true;
    if (recorded) return;
    watched.planAt = Math.min(watched.planAt, this.now() + PLAN_AGAIN_MS);
    watched.dueAt = Math.min(watched.dueAt, watched.planAt);
  }

  /** Null = its cluster could not be looked at now. At the window's end it is planned without a plan, so that it is refused. */
  private async look(window: WindowScheduled, rolloutId: string, cluster: string): Promise<PlanMade | null> {
    const made = await withinDeadline(
      this.plan(window, rolloutId, cluster).catch((error: unknown) => {
        this.tools.log.warn({ rolloutId, cluster, error: messageOf(error) }, 'a rollout could not be planned; trying again');
        return null;
      }),
      PLAN_LIMIT_MS,
    );
    const waits = made?.planned.plan === null && made.cluster === 'unclear';
    return waits && this.now() < Date.parse(window.closesAt) ? null : made;
  }

  private async plan(window: WindowScheduled, rolloutId: string, cluster: string): Promise<PlanMade | null> {
    const definition = await this.tools.directory.get(cluster);
    if (!definition) return null;
    const wave = window.waves.findIndex(({ clusters }) => clusters.includes(cluster)) + 1;
    const order = await this.tools.windows.orderFor(window, rolloutId, wave);
    const made = await this.tools.planner.plan(order, definition);
    // Another process may have the duty by now, and have closed the window.
    return (await this.tools.store.takeDuty(DUTY)) ? made : null;
  }

  private async record(window: WindowScheduled, rolloutId: string, made: PlanMade): Promise<boolean> {
    try {
      const metadata = {
        ...systemMetadata(derivedId('plan', rolloutId)),
        correlationId: window.windowId,
        actor: { ...SYSTEM, from: window.scheduledBy },
      };
      const command = { type: 'PlanRollout', planned: made.planned, downtimePlan: made.downtimePlan } as const;
      return (await this.tools.rollouts.handle(rolloutId, command, metadata)).accepted;
    } catch (error) {
      this.tools.log.warn({ rolloutId, error: messageOf(error) }, 'a plan could not be recorded; trying again');
      return false;
    }
  }

  /**
   * Passes on what the window said of each rollout, once; one that cannot be told does not silence the others. Answers the
   * error of one that could not be told.
   */
  private async tellRollouts(watched: Watched, state: Scheduled, rollouts: readonly RolloutSeen[]): Promise<Error | undefined> {
    let failure: Error | undefined;
    const tellOne = async (rollout: RolloutSeen): Promise<void> => {
      try {
        for (const order of ordersFor(state, rollout)) await this.tell(watched, rollout.id, order);
      } catch (error) {
        failure = new Error(messageOf(error), { cause: error });
      }
    };
    for (let from = 0; from < rollouts.length; from += TOLD_AT_ONCE)
      await Promise.all(rollouts.slice(from, from + TOLD_AT_ONCE).map(tellOne));
    return failure;
  }

  private async tell(watched: Watched, rolloutId: string, { key, command }: RolloutOrder): Promise<void> {
    const text = key.join('|');
    if (watched.told.has(text)) return;
    const { accepted } = await this.tools.rollouts.handle(rolloutId, command, systemMetadata(derivedId(...key)));
    // An approval that has lapsed stays so. Everything else is said again when the rollout has changed.
    if (accepted || command.type === 'RecordApproval') watched.told.add(text);
  }

  private async closeWhenDone({ window, status, givenUp }: Scheduled, rollouts: readonly RolloutSeen[]): Promise<void> {
    if (this.plans.records(window.windowId)) return;
    // What was never planned and never will be has no end to wait for.
    const never = ({ id, planned }: RolloutSeen): boolean => !planned && (status === 'aborting' || givenUp[id] !== undefined);
    if (rollouts.some((rollout) => rollout.ended === null && !never(rollout))) return;
    const command = { type: 'CloseWindow', results: resultsOf(rollouts), at: this.at() } as const;
    await this.tools.windows.give(window.windowId, command, systemMetadata(derivedId('close', window.windowId)));
  }

  private now(): number {
    return this.tools.store.now();
  }

  private at(): string {
    return new Date(this.now()).toISOString();
  }
}
