import { eventCodec, execute, loadStream, type EventLog, type EventMetadata, type Executed } from '@understudy/event-log';
import type { ClusterDefinition } from '@understudy/cluster';
import {
  DOCUMENT_VERSIONS,
  reportOfWindow,
  upcastDocument,
  windowDecider,
  type Dependency,
  type RolloutEvent,
  type RolloutKind,
  type RolloutSeen,
  type TimeNeeded,
  type WaveWanted,
  type WindowCommand,
  type WindowEvent,
  type WindowReport,
  type WindowScheduled,
  type WindowState,
} from '@understudy/orchestrator-domain';
import { derivedId, Problem } from '@understudy/runtime';
import { setTimeout as delay } from 'node:timers/promises';
import { toRolloutEvent, type RolloutStore } from '../handle.js';
import type { PlanOrder, Planner } from '../planner.js';
import type { Directory } from '../projections/directory.js';
import type { Documents } from './documents.js';
import { SeenRollouts } from '../owner/seen-rollouts.js';
import { accepted, personOf } from './person.js';

export const windowCodec = eventCodec<WindowEvent>({
  field: 'data',
  schemaVersions: DOCUMENT_VERSIONS,
  upcast: (stored) => upcastDocument(stored) as WindowEvent,
});

/** A cluster that was registered a moment ago arrives here by message; scheduling waits for it this long at the most. */
const DIRECTORY_WAIT_MS = 3_000;
const DIRECTORY_POLL_MS = 50;
const PLANNED_WAIT_MS = 5_000;
const PLANNED_POLL_MS = 50;

export interface WindowRequest {
  readonly clusters: readonly string[];
  readonly patchSetId: string;
  readonly playbook: { readonly name: string; readonly version?: number };
  readonly kind?: RolloutKind;
  readonly opensAt: string;
  readonly closesAt: string;
  readonly tickets?: readonly string[];
  readonly outageBudgetMs?: number;
  readonly waves?: readonly WaveWanted[];
  readonly soakMs?: number;
  readonly failureBudget?: number;
  readonly dependsOn?: readonly Dependency[];
}

export interface WindowTools {
  readonly log: EventLog;
  readonly rollouts: RolloutStore;
  readonly documents: Documents;
  readonly directory: Directory;
  readonly planner: Planner;
  readonly now: () => number;
}

/** What a plan is ordered from. */
type Ordered = Omit<WindowScheduled, 'waves'>;

export type ExecutedWindow = Extract<Executed<WindowState, WindowEvent>, { accepted: true }>;

/** Scheduling, approving and reading windows; both doors call these. */
export class Windows {
  constructor(private readonly tools: WindowTools) {}

  /**
   * Throws `Problem` PLAYBOOK_UNKNOWN, PATCH_SET_UNKNOWN, UNKNOWN_CLUSTER, WINDOW_IN_THE_PAST, WINDOW_TOO_SHORT,
   * DEPENDENCY_CYCLE and what else is wrong with its waves (422).
   */
  async schedule(windowId: string, request: WindowRequest, metadata: EventMetadata): Promise<ExecutedWindow> {
    const { playbook } = await this.tools.documents.playbook(request.playbook.name, request.playbook.version);
    await this.tools.documents.patchSet(request.patchSetId);
    const definitions = await this.definitions(request.clusters);
    const at = this.at();
    const window = {
      windowId,
      clusters: request.clusters,
      rollouts: request.clusters.map((cluster) => ({ id: rolloutIdFor(windowId, cluster), cluster })),
      patchSetId: request.patchSetId,
      playbook: { name: playbook.name, version: playbook.version },
      kind: request.kind ?? playbook.kind,
      opensAt: new Date(request.opensAt).toISOString(),
      closesAt: new Date(request.closesAt).toISOString(),
      tickets: request.tickets ?? [],
      ...(request.outageBudgetMs === undefined ? {} : { outageBudgetMs: request.outageBudgetMs }),
      scheduledBy: metadata.actor.subject,
      at,
      soakMs: request.soakMs ?? 0,
      failureBudget: request.failureBudget ?? 0,
      dependsOn: request.dependsOn ?? [],
    };
    const needed = await Promise.all(definitions.map((definition) => this.needed(window, definition)));
    const knownClusters = definitions.map((definition) => definition.slug);
    return this.give(
      windowId,
      {
        type: 'ScheduleWindow',
        window,
        waves: request.waves ?? [],
        knownClusters,
        needed,
        by: personOf(metadata.actor),
        at,
      },
      metadata,
    );
  }

  /** Throws `Problem` SELF_APPROVAL, ROLE_MISSING (403), PLAN_CHANGED (409), VERSION_DIFFERS (412). */
  async approve(
    windowId: string,
    bindings: Readonly<Record<string, string>>,
    metadata: EventMetadata,
    expectedVersion?: number,
  ): Promise<ExecutedWindow> {
    const { state } = await this.get(windowId, expectedVersion);
    const inForce = await this.bindings(state);
    return this.give(
      windowId,
      { type: 'ApproveWindow', by: personOf(metadata.actor), bindings, inForce, at: this.at() },
      metadata,
    );
  }

  async reject(windowId: string, reason: string, metadata: EventMetadata, expectedVersion?: number): Promise<ExecutedWindow> {
    await this.get(windowId, expectedVersion);
    return this.give(windowId, { type: 'RejectWindow', by: personOf(metadata.actor), reason, at: this.at() }, metadata);
  }

  async cancel(windowId: string, reason: string, metadata: EventMetadata, expectedVersion?: number): Promise<ExecutedWindow> {
    await this.get(windowId, expectedVersion);
    return this.give(windowId, { type: 'CancelWindow', by: personOf(metadata.actor), reason, at: this.at() }, metadata);
  }

  /** Every rollout of the window stops before its next act; the reactor tells each. `fleet`: together with every other window. */
  async freeze(windowId: string, reason: string, metadata: EventMetadata, fleet?: true): Promise<ExecutedWindow> {
    const together = fleet === undefined ? {} : { fleet };
    const command = { type: 'FreezeWindow', by: personOf(metadata.actor), reason, at: this.at(), ...together } as const;
    return this.give(windowId, command, metadata);
  }

  /** Nothing further begins; what runs goes on to its end. */
  async hold(windowId: string, reason: string, metadata: EventMetadata, expectedVersion?: number): Promise<ExecutedWindow> {
    await this.get(windowId, expectedVersion);
    return this.give(windowId, { type: 'HoldWindow', by: personOf(metadata.actor), reason, at: this.at() }, metadata);
  }

  /** Ends a hold or a freeze. Throws `Problem` WINDOW_NOT_HELD (409). */
  async resume(windowId: string, metadata: EventMetadata, expectedVersion?: number): Promise<ExecutedWindow> {
    const { window } = await this.get(windowId, expectedVersion);
    const rollouts = await this.seenRollouts(window);
    return this.give(windowId, { type: 'ResumeWindow', by: personOf(metadata.actor), rollouts, at: this.at() }, metadata);
  }

  /** Nothing further begins, and what runs is aborted at its next safe point; the reactor tells each rollout. */
  async abort(windowId: string, reason: string, metadata: EventMetadata, expectedVersion?: number): Promise<ExecutedWindow> {
    await this.get(windowId, expectedVersion);
    return this.give(windowId, { type: 'AbortWindow', by: personOf(metadata.actor), reason, at: this.at() }, metadata);
  }

  /** From its own events and those of its rollouts. Throws `Problem` WINDOW_UNKNOWN (404). */
  async report(windowId: string): Promise<WindowReport> {
    const { window } = await this.get(windowId);
    const events = (await this.tools.log.readStream(`window/${windowId}`)).map(windowCodec.decode);
    const rollouts: Record<string, readonly RolloutEvent[]> = {};
    for (const { id } of window.rollouts) rollouts[id] = (await this.tools.log.readStream(`rollout/${id}`)).map(toRolloutEvent);
    const report = reportOfWindow(events, rollouts);
    if (!report) throw unknownWindow(windowId);
    return report;
  }

  /** What the window's rollouts say of themselves now. */
  seenRollouts(window: WindowScheduled): Promise<readonly RolloutSeen[]> {
    return new SeenRollouts().read(this.tools.log, window.rollouts);
  }

  /** Throws `Problem` WINDOW_UNKNOWN (404), VERSION_DIFFERS (412). */
  async get(
    windowId: string,
    expectedVersion?: number,
  ): Promise<{ readonly state: WindowState; readonly version: number; readonly window: WindowScheduled }> {
    const { state, version } = await loadStream(this.tools.log, windowDecider, windowCodec, `window/${windowId}`);
    if (!state.window) throw unknownWindow(windowId);
    checkVersion(version, expectedVersion);
    return { state, version, window: state.window };
  }

  /** What each rollout's approval would bind to now; a rollout that has not been planned yet is left out. */
  async bindings(state: WindowState): Promise<Readonly<Record<string, string>>> {
    const pairs = await Promise.all(
      (state.window?.rollouts ?? []).map(async ({ id }) => {
        const binding = await this.tools.rollouts.load(id).then(
          (live) => live.state.binding,
          () => null,
        );
        return binding === null ? null : ([id, binding] as const);
      }),
    );
    return Object.fromEntries(pairs.filter((pair) => pair !== null));
  }

  /** Waits until every rollout has been planned, as it usually is at once; a cluster that cannot be looked at delays nobody for long. */
  async planned(state: WindowState): Promise<void> {
    const wanted = state.window?.rollouts.length ?? 0;
    for (const until = performance.now() + PLANNED_WAIT_MS; performance.now() < until; await delay(PLANNED_POLL_MS)) {
      if (Object.keys(await this.bindings(state)).length === wanted) return;
    }
  }

  async give(windowId: string, command: WindowCommand, metadata: EventMetadata): Promise<ExecutedWindow> {
    return accepted(
      await execute(this.tools.log, windowDecider, { stream: `window/${windowId}`, command, metadata, codec: windowCodec }),
    );
  }

  /** What a rollout of this window is planned for. */
  async orderFor(window: Ordered, rolloutId: string, wave: number): Promise<PlanOrder> {
    const { playbook, hash } = await this.tools.documents.playbook(window.playbook.name, window.playbook.version);
    const patchSet = await this.tools.documents.patchSet(window.patchSetId);
    const { windowId, kind, opensAt, closesAt, scheduledBy: plannedBy, outageBudgetMs } = window;
    const outage = outageBudgetMs === undefined ? {} : { outageBudgetMs };
    return { windowId, rolloutId, kind, playbook, playbookHash: hash, patchSet, opensAt, closesAt, plannedBy, wave, ...outage };
  }

  private async definitions(slugs: readonly string[]): Promise<readonly ClusterDefinition[]> {
    const found = await Promise.all(slugs.map((slug) => this.definition(slug)));
    return found.filter((definition) => definition !== undefined);
  }

  private async definition(slug: string): Promise<ClusterDefinition | undefined> {
    for (const until = performance.now() + DIRECTORY_WAIT_MS; ; await delay(DIRECTORY_POLL_MS)) {
      const definition = await this.tools.directory.get(slug);
      if (definition || performance.now() > until) return definition;
    }
  }

  /** What a look now says; a cluster that cannot be looked at says nothing and is planned when it can. */
  private async needed(window: Ordered, definition: ClusterDefinition): Promise<TimeNeeded> {
    const hosts = [...new Set(definition.nodes.map((node) => node.host))];
    const none = { cluster: definition.slug, hosts, forwardMs: 0, wayBackMs: 0 };
    try {
      const order = await this.orderFor(window, rolloutIdFor(window.windowId, definition.slug), 1);
      const { plan } = (await this.tools.planner.plan(order, definition)).planned;
      return plan ? { ...none, forwardMs: plan.forwardMs, wayBackMs: plan.wayBackMs } : none;
    } catch {
      return none;
    }
  }

  private at(): string {
    return new Date(this.tools.now()).toISOString();
  }
}

function unknownWindow(windowId: string): Problem {
  return new Problem('not-found', 'WINDOW_UNKNOWN', `There is no window ${windowId}. GET /v1/windows lists those there are.`);
}

/** The same window and cluster have the same rollout, whoever plans it. */
export function rolloutIdFor(windowId: string, cluster: string): string {
  return derivedId('rollout', windowId, cluster);
}

/** Throws `Problem` VERSION_DIFFERS (412) unless the version is the expected one, or none was expected. */
export function checkVersion(version: number, expected: number | undefined): void {
  if (expected === undefined || expected === version) return;
  throw new Problem(
    'precondition',
    'VERSION_DIFFERS',
    `You saw version ${expected}, it is at version ${version} now. Read it again, then decide.`,
  );
}
