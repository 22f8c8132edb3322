import type { GateInputs, RolloutEvent, StepRequested } from '@understudy/orchestrator-domain';
import { takesWrites, type World } from '@understudy/simulated-cluster';
import type { StepLook } from './gates.js';
import type { Hand, Site } from './ground.js';
import type { JobCall } from './jobs.js';
import { judgeEvent } from './judge-events.js';
import type { Effect } from './hosts.js';
import { judgeLook } from './judge-looks.js';
import { isSettled } from './judge-steps.js';
import { judgeAct, judgeJob, judgeWorld } from './judge-world.js';
import type { Stored } from './log.js';
import { record, RolloutRecord } from './record.js';
import type { Window } from './window.js';

/** Sees everything, believes nothing: judges each event and each effect by the invariants, with what is really so. */
export class Judge {
  readonly records = new Map<string, RolloutRecord>();
  /** Host -> rollout, as the claims in the log say. */
  readonly claims = new Map<string, string>();
  /** Nodes that an act of ours marked as drained and none has released: `<cluster>/<node>`. */
  readonly drained = new Set<string>();
  /** What a host's boots were when a step's first reboot began, by `<rollout>/<step>`. */
  readonly reboots = new Map<string, { readonly boots: number; readonly atMs: number }>();

  constructor(readonly window: Window) {}

  record(rolloutId: string): RolloutRecord {
    const known = this.records.get(rolloutId);
    if (known !== undefined) return known;
    const made = new RolloutRecord();
    this.records.set(rolloutId, made);
    return made;
  }

  siteOf(kept: RolloutRecord): Site | null {
    return kept.planned === null ? null : this.window.ground.site(kept.planned.cluster.slug);
  }

  when(isBroken: boolean, invariant: string, detail: () => string): void {
    if (isBroken) this.breach(invariant, detail());
  }

  breach(invariant: string, detail: string): void {
    this.window.breach(invariant, detail);
  }

  collected(rolloutId: string, inputs: GateInputs): void {
    this.record(rolloutId).inputs = inputs;
  }

  appended(stored: readonly Stored[]): void {
    for (const { event } of stored) {
      if (event.type === 'HostClaimed') this.claims.set(event.data.host, event.data.rollout);
      else if (event.type === 'HostReleased') this.claims.delete(event.data.host);
    }
    for (const { stream, event } of stored) {
      if (stream.startsWith('rollout/')) this.judge(stream.slice('rollout/'.length), event as RolloutEvent);
    }
  }

  private judge(rolloutId: string, event: RolloutEvent): void {
    const kept = this.record(rolloutId);
    judgeEvent(this, rolloutId, kept, event);
    const site = this.siteOf(kept);
    const serving =
      site === null || !isSettled(this, site) ? null : (Object.values(site.world.nodes).find(takesWrites)?.node ?? null);
    record(kept, event, serving);
  }

  acting(site: Site, call: Effect): void {
    this.window.trace(() => `ACT ${call.key} on ${call.act.host} at epoch ${call.fence.epoch}`);
    judgeAct(this, site, call);
  }

  /** Statements that are over as their caller was told, whatever became of the entry of their end. */
  readonly answered = new Set<string>();

  /** A freeze, or a lost ownership, was told to a verb: nothing that may be held follows. */
  wentOn(key: string, act: string, toldBefore: string): void {
    this.breach('freeze', `${act} of ${key} is sent, and nobody may go on since ${toldBefore}.`);
  }

  /** The first thing that a process does about a step which another one asked for is to look. */
  performing(requested: StepRequested, incarnation: string, hasLooked: boolean): void {
    if (requested.incarnation !== incarnation && !hasLooked)
      this.breach('6', `${requested.key} was asked for by another incarnation, and is performed without a look.`);
  }

  looked(rolloutId: string, look: StepLook): void {
    judgeLook(this, this.record(rolloutId), look);
  }

  starting(site: Site, call: JobCall): void {
    this.window.trace(() => `JOB ${call.jobId} on ${call.host}`);
    judgeJob(this, site, call);
  }

  changed(site: Site, before: World, hand: Hand): void {
    judgeWorld(this, site, before, hand);
  }
}
