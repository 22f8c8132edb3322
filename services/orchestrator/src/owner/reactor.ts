import { inNewTrace, loadStream, type Store, type StoredEvent } from '@understudy/event-log';
import {
  windowDecider,
  type RolloutResult,
  type WindowResults,
  type WindowScheduled,
  type WindowState,
} from '@understudy/orchestrator-domain';
import { derivedId, Problem, type Log } from '@understudy/runtime';
import { messageOf } from '../effects/perform.js';
import { systemMetadata, SYSTEM, type RolloutStore } from '../handle.js';
import type { Planner } from '../planner.js';
import type { Directory } from '../projections/directory.js';
import { LogTail } from './log-tail.js';
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
  /** Rollouts that were told of the approval or freeze in force. */
  told: string;
  /** Where the newest event that concerns it was decided. */
  traceparent?: string;
}

/**
 * Window -> rollout, the one place where something crosses from one aggregate to another. It plans each rollout once,
 * passes approvals and freezes on, opens the window at its time and closes it when every rollout has ended. A duty: one
 * process does it; every command id is derived, so that two of them would change nothing twice.
 */
export class WindowReactor {
  private readonly watched = new Map<string, Watched>();
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
    this.watched.set(windowId, { windowId, dirty: true, dueAt: 0, planAt: 0, told: '' });
  }

  private async reactWhereDue(): Promise<void> {
    const due = [...this.watched.values()].filter((watched) => watched.dirty || this.now() >= watched.dueAt);
    if (due.length > 0 && (await this.tools.store.takeDuty(DUTY))) for (const watched of due) await this.react(watched);
  }

  private hear(event: StoredEvent): void {
    if (event.type === 'RolloutClosed') for (const watched of this.watched.values()) this.concern(watched, event);
    if (!event.stream.startsWith('window/')) return;
    const windowId = event.stream.slice('window/'.length);
    if (event.type === 'WindowScheduled') this.watch(windowId);
    const watched = this.watched.get(windowId);
    if (watched) this.concern(watched, event);
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
    const { window, status } = state;
    if (!window || status === 'closed') {
      this.watched.delete(watched.windowId);
      return;
    }
    if (status === 'scheduled' || status === 'open') await this.planMissing(watched, window);
    await this.tellRollouts(watched, state, window);
    await this.moveOn(watched, window, status);
    const opensAt = status === 'scheduled' ? Date.parse(window.opensAt) : Number.POSITIVE_INFINITY;
    watched.dueAt = Math.min(opensAt, watched.planAt);
  }

  private async moveOn(watched: Watched, window: WindowScheduled, status: WindowState['status']): Promise<void> {
    switch (status) {
      case 'scheduled':
        return this.openWhenDue(window);
      case 'open':
      case 'frozen':
        return this.closeWhenDone(window);
      case 'rejected':
      case 'cancelled':
        return this.forgetWhenEnded(watched, window);
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

  /** A window that never opens is done with when the rollouts that had been planned for it have ended. */
  private async forgetWhenEnded(watched: Watched, window: WindowScheduled): Promise<void> {
    if ((await this.resultsOf(window, 'planned only')) !== null) this.watched.delete(watched.windowId);
  }

  private async planMissing(watched: Watched, window: WindowScheduled): Promise<void> {
    if (this.now() < watched.planAt) return;
    watched.planAt = Number.POSITIVE_INFINITY;
    for (const { id, cluster } of window.rollouts) {
      const known = await this.tools.store.log.readStream(`rollout/${id}`, 1);
      if (known.length > 0) continue;
      const planned = await this.plan(window, id, cluster);
      if (!planned) watched.planAt = this.now() + PLAN_AGAIN_MS;
    }
  }

  /** Plans one rollout; false = it could not be looked at now. At the window's end it is planned without a plan, so that it is refused. */
  private async plan(window: WindowScheduled, rolloutId: string, cluster: string): Promise<boolean> {
    const definition = await this.tools.directory.get(cluster);
    if (!definition) return false;
    try {
      const made = await this.tools.planner.plan(await this.tools.windows.orderFor(window, rolloutId), definition);
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

  /** Passes on what a person said of the whole window, to each rollout once; one that cannot be told does not silence the others. */
  private async tellRollouts(watched: Watched, state: WindowState, window: WindowScheduled): Promise<void> {
    const told = `${state.approval?.at ?? ''}|${state.stopped?.at ?? ''}|${watched.planAt}`;
    if (told === watched.told) return;
    let failure: Error | undefined;
    for (const { id } of window.rollouts) {
      try {
        await this.tellRollout(id, state);
      } catch (error) {
        if (!(error instanceof Problem && error.code === 'ROLLOUT_UNKNOWN'))
          failure = new Error(messageOf(error), { cause: error });
      }
    }
    if (failure !== undefined) throw failure;
    watched.told = told;
  }

  private async tellRollout(id: string, { approval, stopped, status }: WindowState): Promise<void> {
    const binding = approval?.bindings[id];
    if (approval && binding !== undefined) {
      const { by, at } = approval;
      const command = { type: 'RecordApproval', by, binding, at } as const;
      await this.tools.rollouts.handle(id, command, systemMetadata(derivedId('approval', id, at)));
    }
    if (!stopped) return;
    const { by: subject, reason, at } = stopped;
    const by = { subject, role: 'operator' } as const;
    // A window that was cancelled or rejected has not opened: its rollouts end before anything was admitted.
    const type = status === 'frozen' ? 'Freeze' : 'Abort';
    await this.tools.rollouts.handle(id, { type, by, reason, at }, systemMetadata(derivedId(type, id, at)));
  }

  private async closeWhenDone(window: WindowScheduled): Promise<void> {
    const results = await this.resultsOf(window, 'all');
    if (results === null) return;
    const command = { type: 'CloseWindow', results, at: this.at() } as const;
    await this.tools.windows.give(window.windowId, command, systemMetadata(derivedId('close', window.windowId)));
  }

  /** How its rollouts ended; null while one has not. `planned only`: one that was never planned does not count. */
  private async resultsOf(window: WindowScheduled, which: 'all' | 'planned only'): Promise<WindowResults | null> {
    const results: Partial<Record<RolloutResult, number>> = {};
    for (const { id } of window.rollouts) {
      const events = await this.tools.store.log.readStream(`rollout/${id}`);
      if (events.length === 0 && which === 'planned only') continue;
      const closed = events.findLast((event) => event.type === 'RolloutClosed');
      if (!closed) return null;
      const { result } = closed.body as { readonly result: RolloutResult };
      results[result] = (results[result] ?? 0) + 1;
    }
    return results;
  }

  private now(): number {
    return this.tools.store.now();
  }

  private at(): string {
    return new Date(this.now()).toISOString();
  }
}
