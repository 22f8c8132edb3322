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
import type { Planner } from '../planner.js';
import type { Directory } from '../projections/directory.js';
import { LogTail } from './log-tail.js';
import { SeenRollouts, tellsWindow } from './seen-rollouts.js';
import { windowCodec, type Windows } from '../use-cases/windows.js';

const DUTY = 'reactor/windows';
/** A cluster that cannot be looked at is planned again after this, until the window closes. */
const PLAN_AGAIN_MS = 2_000;

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

  stop(): Promise<void> {
    return this.tail.stop();
  }

  private watch(windowId: string): void {
    const watched = { windowId, dirty: true, dueAt: 0, planAt: 0, told: new Set<string>(), rollouts: new SeenRollouts() };
    this.watched.set(windowId, watched);
  }

  private forget(watched: Watched, window: WindowScheduled | null): void {
    this.watched.delete(watched.windowId);
    for (const { id } of window?.rollouts ?? []) this.windowOf.delete(id);
  }

  private async reactWhereDue(): Promise<void> {
    const due = [...this.watched.values()].filter((watched) => watched.dirty || this.now() >= watched.dueAt);
    if (due.length > 0 && (await this.tools.store.takeDuty(DUTY))) for (const watched of due) await this.react(watched);
  }

  private hear(event: StoredEvent): void {
    if (event.stream.startsWith('rollout/') && tellsWindow(event.type)) this.hearRollout(event);
    if (!event.stream.startsWith('window/')) return;
    const windowId = event.stream.slice('window/'.length);
    if (event.type === 'WindowScheduled') this.watch(windowId);
    const watched = this.watched.get(windowId);
    if (watched) this.concern(watched, event);
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

  private async bringForward(watched: Watched): Promise<void> {
    const { state } = await loadStream(this.tools.store.log, windowDecider, windowCodec, `window/${watched.windowId}`);
    const { window } = state;
    if (!window || state.status === 'closed') return this.forget(watched, window);
    for (const { id } of window.rollouts) this.windowOf.set(id, watched);
    const known = { ...state, window };
    await this.planMissing(watched, known);
    const advanced = await this.advance(watched, known);
    const rollouts = await this.seen(watched, window);
    await this.tellRollouts(watched, advanced, rollouts);
    await this.moveOn(watched, advanced, rollouts);
    const opensAt = advanced.status === 'scheduled' ? Date.parse(window.opensAt) : Number.POSITIVE_INFINITY;
    const turnAt = nextTurnMs(advanced, rollouts, this.now()) ?? Number.POSITIVE_INFINITY;
    watched.dueAt = Math.min(opensAt, turnAt, watched.planAt);
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

  private async planMissing(watched: Watched, { window, status, givenUp }: Scheduled): Promise<void> {
    const plans = status === 'scheduled' || status === 'open' || status === 'held' || status === 'frozen';
    if (!plans || this.now() < watched.planAt) return;
    watched.planAt = Number.POSITIVE_INFINITY;
    for (const { id, cluster, planned } of await this.seen(watched, window)) {
      if (planned || givenUp[id] !== undefined) continue;
      if (await this.plan(window, id, cluster)) watched.rollouts.changed(id);
      else watched.planAt = this.now() + PLAN_AGAIN_MS;
    }
  }

  /** Plans one rollout; false = it could not be looked at now. At the window's end it is planned without a plan, so that it is refused. */
  private async plan(window: WindowScheduled, rolloutId: string, cluster: string): Promise<boolean> {
    const definition = await this.tools.directory.get(cluster);
    if (!definition) return false;
    try {
      const wave = window.waves.findIndex(({ clusters }) => clusters.includes(cluster)) + 1;
      const order = await this.tools.windows.orderFor(window, rolloutId, wave);
      const made = await this.tools.planner.plan(order, definition);
      const waits = made.planned.plan === null && made.cluster === 'unclear' && this.now() < Date.parse(window.closesAt);
      if (waits) return false;
      const metadata = {
        ...systemMetadata(derivedId('plan', rolloutId)),
        correlationId: window.windowId,
        actor: { ...SYSTEM, from: window.scheduledBy },
      };
      const command = { type: 'PlanRollout', planned: made.planned, downtimePlan: made.downtimePlan } as const;
      return (await this.tools.rollouts.handle(rolloutId, command, metadata)).accepted;
    } catch (error) {
      this.tools.log.warn({ rolloutId, cluster, error: messageOf(error) }, 'a rollout could not be planned; trying again');
      return false;
    }
  }

  /** Passes on what the window said of each rollout, once; one that cannot be told does not silence the others. */
  private async tellRollouts(watched: Watched, state: Scheduled, rollouts: readonly RolloutSeen[]): Promise<void> {
    let failure: Error | undefined;
    for (const rollout of rollouts) {
      try {
        for (const order of ordersFor(state, rollout)) await this.tell(watched, rollout.id, order);
      } catch (error) {
        failure = new Error(messageOf(error), { cause: error });
      }
    }
    if (failure !== undefined) throw failure;
  }

  private async tell(watched: Watched, rolloutId: string, { key, command }: RolloutOrder): Promise<void> {
    const text = key.join('|');
    if (watched.told.has(text)) return;
    const { accepted } = await this.tools.rollouts.handle(rolloutId, command, systemMetadata(derivedId(...key)));
    // An approval that has lapsed stays so. Everything else is said again when the rollout has changed.
    if (accepted || command.type === 'RecordApproval') watched.told.add(text);
  }

  private async closeWhenDone({ window, status, givenUp }: Scheduled, rollouts: readonly RolloutSeen[]): Promise<void> {
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
