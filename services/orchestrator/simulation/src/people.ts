import type { DriftSeen, GateInputs, Person, RolloutCommand, RolloutState, TicketSeen } from '@understudy/orchestrator-domain';
import { isUp } from '@understudy/simulated-cluster';
import type { Arms } from './arms.js';
import type { Patient } from './fleet.js';
import type { Peers } from './gates.js';
import type { Ground } from './ground.js';
import type { Stored } from './log.js';
import { mend } from './mending.js';
import type { Random } from './random.js';
import { newLife } from './scheduler.js';
import { Client, StoreUnavailable, type Given, type Store } from './store.js';

/** The other services, and the people around a rollout: what they answer, ask and mend. */

export const OTTO: Person = { subject: 'otto', role: 'operator' };
const GRACE: Person = { subject: 'grace', role: 'approver' };
export const VERA: Person = { subject: 'vera', role: 'viewer' };

/** Somebody looks at each rollout every so many milliseconds. */
const LOOK_EVERY_MS = { from: 3_000, to: 20_000 };
const ANSWER_MS = { from: 30, to: 1_500 };
/** So often a person resumes; then he gives up and aborts. */
const PATIENCE = 4;

export interface Watch {
  /** Nothing befalls anybody any more: who is on call mends what can be mended. */
  readonly calm: () => boolean;
  readonly saw: (what: string) => void;
  /** Told of each cluster that somebody mended. */
  readonly mended: (cluster: string) => void;
}

export class People implements Peers {
  private readonly life = newLife();
  private readonly client: Client;
  private readonly answers = new Map<string, DriftSeen>();
  private readonly resumed = new Map<string, number>();
  /** Clusters with a finding that blocks, until somebody mends it. */
  readonly drifted = new Set<string>();
  /** Clusters of which the HA layer cannot be told at the moment. */
  readonly unclassified = new Set<string>();

  constructor(
    private readonly store: Store,
    private readonly ground: Ground,
    private readonly patients: readonly Patient[],
    private readonly watch: Watch,
  ) {
    this.client = new Client(store, this.life);
  }

  private get chance(): Random {
    return this.store.chance;
  }

  private get arms(): Arms {
    return this.store.arms;
  }

  start(): void {
    for (const patient of this.patients) void this.lookAfter(patient);
  }

  // ------------------------------------------------------------ other services

  drift(_rolloutId: string, requestId: string): DriftSeen | null {
    return this.answers.get(requestId) ?? null;
  }

  ticket(rolloutId: string): TicketSeen {
    return { ticketId: `t-${rolloutId}`, number: 'CHG1', approver: 'mona', approved: true, expiresAt: null, reason: null };
  }

  haLayer(cluster: string): GateInputs['haLayer'] {
    if (this.unclassified.has(cluster)) return null;
    return { haLayer: 'application', rolling: true, reason: 'Streaming replication was seen.' };
  }

  hear(stored: readonly Stored[]): void {
    for (const { stream, event } of stored)
      if (event.type === 'DriftAssessmentRequested') this.assess(stream.slice('rollout/'.length), event.data.requestId);
  }

  /** The question and its answer are messages: lost, doubled, late, or after a younger one. */
  private assess(rolloutId: string, requestId: string): void {
    const { scheduler } = this.store;
    if (this.arms.take('drift-lost', rolloutId)) return;
    const lateMs = this.arms.take('drift-late', rolloutId) ? this.chance.int(20_000, 400_000) : 0;
    const reorderedMs = this.arms.take('drift-reordered', rolloutId) ? this.chance.int(2_000, 35_000) : 0;
    const times = this.arms.take('drift-doubled', rolloutId) ? 2 : 1;
    scheduler.in(this.chance.int(ANSWER_MS.from, ANSWER_MS.to) + lateMs, this.life, () => {
      const answer = this.judge(rolloutId, requestId);
      this.answers.set(requestId, answer);
      for (let count = 0; count < times; count += 1) {
        const afterMs = this.chance.int(1, 200) + reorderedMs + count * this.chance.int(0, 60_000);
        scheduler.in(
          afterMs,
          this.life,
          () => void this.give(rolloutId, (at) => ({ type: 'RecordDriftAssessment', assessment: answer, at })),
        );
      }
    });
  }

  private judge(rolloutId: string, requestId: string): DriftSeen {
    const cluster = this.patients.find((patient) => patient.rolloutId === rolloutId)?.definition.slug ?? '';
    const finding = {
      findingId: 'f-1',
      node: 'a',
      area: 'setting',
      name: 'max_connections',
      value: '100',
      expected: '200',
      detail: 'lower than the active node has',
    };
    return {
      requestId,
      assessedAt: this.at(),
      blocking: this.drifted.has(cluster) ? [finding] : [],
      warnings: 0,
      waived: 0,
      incomplete: this.silent(cluster).map((node) => `${node}: postgresql: the connection was refused`),
    };
  }

  /** Nodes that tell no facts: they do not run, or their host is not up. */
  private silent(cluster: string): readonly string[] {
    const { world } = this.ground.site(cluster);
    return Object.values(world.nodes)
      .filter(({ service, host }) => service.state !== 'running' || !isUp(world, host))
      .map(({ node }) => node);
  }

  // ------------------------------------------------------------ people

  private at(): string {
    return new Date(this.store.scheduler.nowMs).toISOString();
  }

  /** A command through a door: tried until the store takes it. */
  async give(rolloutId: string, command: (at: string) => RolloutCommand): Promise<Given> {
    for (;;) {
      try {
        const live = await this.client.load(rolloutId);
        return await this.client.give(live, command(this.at()));
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
      }
    }
  }

  private async lookAfter(patient: Patient): Promise<void> {
    const { scheduler } = this.store;
    for (;;) {
      await scheduler.sleep(this.chance.int(LOOK_EVERY_MS.from, LOOK_EVERY_MS.to), this.life);
      const { state } = await this.load(patient.rolloutId);
      if (state.status === 'closed') return;
      if (this.hasGivenUp(patient.rolloutId) && (state.status === 'held' || state.status === 'frozen')) return;
      await this.approve(patient, state);
      if (state.status === 'held' || state.status === 'frozen') await this.care(patient, state);
      else if (this.watch.calm()) this.mend(patient);
    }
  }

  /** He has tried all there is to try; what stands now stands until the morning. */
  hasGivenUp(rolloutId: string): boolean {
    return this.watch.calm() && (this.resumed.get(rolloutId) ?? 0) > PATIENCE + 3;
  }

  private async load(rolloutId: string): ReturnType<Client['load']> {
    for (;;) {
      try {
        return await this.client.load(rolloutId);
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
      }
    }
  }

  private async approve(patient: Patient, state: RolloutState): Promise<void> {
    if (patient.definition.environment !== 'production' || state.status !== 'planned' || state.binding === null) return;
    if (state.ticket === null)
      await this.give(patient.rolloutId, (at) => ({ type: 'RecordTicket', ticket: this.ticket(patient.rolloutId), at }));
    if (state.approval?.binding === state.binding) return;
    const { binding } = state;
    // Whoever planned it may try, and must not succeed.
    const by = this.chance.chance(0.2) ? OTTO : GRACE;
    const given = await this.give(patient.rolloutId, (at) => ({ type: 'RecordApproval', by: by.subject, binding, at }));
    if (by === OTTO && !given.accepted) this.watch.saw('own approval refused');
  }

  /** After a hold somebody looks, mends what he can, and lets it go on or gives it up. */
  private async care(patient: Patient, state: RolloutState): Promise<void> {
    const { rolloutId } = patient;
    const times = this.resumed.get(rolloutId) ?? 0;
    if (this.watch.calm() || this.chance.chance(0.7)) this.mend(patient);
    await this.store.scheduler.sleep(this.chance.int(500, 10_000), this.life);
    this.resumed.set(rolloutId, times + 1);
    const givesUp = times >= PATIENCE || this.chance.chance(0.15);
    if (state.status === 'frozen' || !givesUp) await this.give(rolloutId, (at) => ({ type: 'Resume', by: OTTO, at }));
    else await this.give(rolloutId, (at) => ({ type: 'Abort', by: OTTO, reason: 'enough for tonight', at }));
  }

  private mend(patient: Patient): void {
    this.drifted.delete(patient.definition.slug);
    this.unclassified.delete(patient.definition.slug);
    mend(this.ground, patient.definition.slug);
    this.watch.mended(patient.definition.slug);
  }
}
