import {
  nextMove,
  type Move,
  type Observation,
  type Performed,
  type RolloutCommand,
  type RunnerMemory,
  SNAPSHOT_MAX_AGE_MS,
} from '@understudy/orchestrator-domain';
import { atPlace, type Checkpoints, type CrashMoment, type EventLog } from '@understudy/event-log';
import type { Fence } from '@understudy/hosts';
import type { Log } from '@understudy/runtime';
import type { Planner } from '../planner.js';
import type { GateInputCollector } from '../effects/gate-inputs.js';
import type { Looker } from '../effects/look.js';
import { messageOf, type Performer } from '../effects/perform.js';
import type { LiveRollout, RolloutStore } from '../handle.js';
import { requestIdFor } from '../inbound/events/handlers.js';
import { Authority, type GivenEpochs, type HostAuthority } from './authority.js';
import type { RolloutMetrics } from './rollout-metrics.js';
import { StepTraces } from './step-trace.js';
import type { Turns } from './turns.js';

/** Between two tries of something that the outside refused for a moment (store away, host silent). */
const RETRY_MS = 500;
/** An act's own deadline is at most a third of the lease's term; a step's first act begins only under a lease that outlasts it. */
const LONGEST_ACT_MS = 10_000;
/** No sleep is longer: a clock that jumps or a lost wake-up costs at most this. */
const LONGEST_SLEEP_MS = 30_000;

export interface DriveTools {
  readonly rollouts: RolloutStore;
  readonly looker: Pick<Looker, 'look'>;
  readonly performer: Pick<Performer, 'perform'>;
  readonly gateInputs: Pick<GateInputCollector, 'collect'>;
  readonly planner: Pick<Planner, 'plan'>;
  readonly hosts: HostAuthority;
  readonly incarnation: string;
  readonly eventLog: EventLog;
  readonly checkpoints: Checkpoints | undefined;
  readonly given: GivenEpochs;
  readonly turns: Turns;
  readonly now: () => number;
  /** What is left of this process's lease, by the monotonic clock. */
  readonly leaseRemainingMs: () => number;
  readonly newId: () => string;
  readonly log: Log;
  readonly metrics: RolloutMetrics;
}

type OutsideMove = Exclude<Move, { readonly move: 'command' }>;

/**
 * Drives one rollout that this process owns: asks the pure runner for the next move, executes it, and asks again.
 * Nothing is decided here. It ends when the rollout is closed, when somebody else owns it, or when told to stop.
 */
export class Drive {
  private memory: RunnerMemory;
  private stopping = false;
  private lost = false;
  private raisedEpoch = 0;
  private unreachable: readonly string[] = [];
  /**
   * It has looked or acted since its last turn, or was just taken up, perhaps in the middle of a step: its next turn comes before those
   * of rollouts that have not begun anything.
   */
  private underWay = true;
  /** When the newest look was made, by the monotonic clock. */
  private lookedAtMs = 0;
  /** The newest look took so long that it was not used. */
  private lookWasSlow = false;
  private wakePending = false;
  private woken: (() => void) | null = null;
  /** What the performer said in this process about the step it last executed. */
  private said: { readonly key: string; readonly performed: Performed } | null = null;
  private readonly traces: StepTraces;
  private readonly authority: Authority;

  constructor(
    private readonly tools: DriveTools,
    private readonly live: LiveRollout,
  ) {
    this.traces = new StepTraces(live);
    const { hosts, eventLog: log, incarnation, checkpoints, given } = tools;
    this.authority = new Authority({ hosts, log, incarnation, checkpoints, given });
    this.memory = {
      incarnation: tools.incarnation,
      performed: null,
      observation: null,
      gatesEvaluatedAtMs: null,
      nextRequestId: requestIdFor(live.rolloutId, tools.newId()),
    };
  }

  /** Runs until there is nothing left to do here. Never rejects. */
  async run(): Promise<void> {
    while (!this.stopping && this.isOurs()) {
      try {
        const move = await this.tools.turns.run(this.underWay, () => this.decide());
        if (move !== null) await this.traces.run(move, () => this.make(move));
      } catch (error) {
        this.tools.log.warn(
          { rolloutId: this.live.rolloutId, error: messageOf(error) },
          'a move could not be made; trying again',
        );
        await this.pause(RETRY_MS);
      }
    }
    this.traces.end();
  }

  /** Something was appended to this rollout, or a question was answered: look again now. */
  wake(): void {
    this.wakePending = true;
    this.woken?.();
  }

  /** Stops before the next act; a verb that must not stop goes on to a state in which one node serves. */
  stop(): void {
    this.stopping = true;
    this.wake();
  }

  private isOurs(): boolean {
    const { status, owner } = this.live.state;
    return !this.lost && status !== 'closed' && owner?.incarnation === this.tools.incarnation;
  }

  /** The next move. An order is given at once, and null answered; what hosts or time are needed for is made outside of the turn. */
  private async decide(): Promise<OutsideMove | null> {
    this.underWay = false;
    if (this.stopping || !this.isOurs()) return null; // since the turn was asked for
    const move = this.next();
    if (move.move !== 'command') return move;
    const accepted = await this.traces.run(move, () => this.give(move.command));
    if (this.stopping || !this.isOurs()) return null;
    if (!accepted) return { move: 'sleep', untilMs: this.tools.now() + RETRY_MS, because: 'An order was refused.' };
    // What was asked for is done without another turn; another order waits for one.
    const then = this.next();
    return then.move === 'command' ? null : then;
  }

  /** On a look from before the store was away, or this process was stopped, nothing is decided, wherever the clock was put since. */
  private next(): Move {
    if (this.memory.observation !== null && performance.now() - this.lookedAtMs > SNAPSHOT_MAX_AGE_MS)
      this.memory = { ...this.memory, observation: null };
    return nextMove(this.live.state, this.memory, this.tools.now());
  }

  private async make(move: OutsideMove): Promise<void> {
    if ((move.move === 'observe' || move.move === 'perform') && !(await this.raisedEverywhere())) return;
    switch (move.move) {
      case 'observe':
        return this.observe(move);
      case 'evaluate-gates':
        return this.evaluateGates();
      case 'perform':
        return this.perform(move);
      case 'sleep':
        return this.pause(Math.max(0, move.untilMs - this.tools.now()));
      case 'wait':
        return this.pause(Math.max(0, (move.untilMs ?? Number.POSITIVE_INFINITY) - this.tools.now()));
    }
  }

  /**
   * Before anything is looked at for an act, earlier owners are shut out on every host. Answers whether to go on; a host
   * that does not answer leaves looks incomplete until it does.
   */
  private async raisedEverywhere(): Promise<boolean> {
    const { admitted, planned } = this.live.state;
    if (!admitted || !planned || this.raisedEpoch === this.live.epoch) return true;
    const { rolloutId, state, epoch, epochs } = this.live;
    const established = await this.authority.establish({ rolloutId, cluster: planned.cluster, epoch, epochs, state });
    if (established.by === 'us') {
      this.unreachable = established.unreachable;
      if (established.everywhere) this.raisedEpoch = epoch;
      return true;
    }
    const { what, evidence } = established.doubt;
    if (established.by === 'another') await this.shutOut(what, evidence);
    else await this.doubt(what, evidence);
    // Held, it waits for a person; whatever else it is asked for, the hosts are not asked without a pause.
    await this.pause(RETRY_MS);
    return false;
  }

  /** The hosts know what the log does not: recorded, with a hold. */
  private async doubt(what: string, evidence: Readonly<Record<string, unknown>>): Promise<void> {
    this.tools.log.warn({ rolloutId: this.live.rolloutId, what, evidence }, 'this log may not act on the hosts');
    const { incarnation } = this.tools;
    await this.order({ type: 'RecordDeviation', what, evidence, incarnation, at: new Date(this.tools.now()).toISOString() });
  }

  /** Another owner is real when the log says so; when it does not, the host obeys somebody else: a person has to look. */
  private async shutOut(reason: string, evidence: Readonly<Record<string, unknown>>): Promise<void> {
    this.tools.log.warn({ rolloutId: this.live.rolloutId, reason }, 'shut out by a host; reading the log again');
    await this.tools.rollouts.reload(this.live);
    this.lost = !this.isOwnerByLog();
    if (this.lost) return;
    const what = `${reason} The log says that this process owns the rollout: another orchestrator or an older log acted there.`;
    await this.doubt(what, evidence);
  }

  /** An order that a look outside of a turn led to; dropped where somebody else owns the rollout when the turn comes. */
  private async order(command: RolloutCommand): Promise<void> {
    const accepted = await this.tools.turns.run(true, () => (this.isOurs() ? this.give(command) : Promise.resolve(true)));
    if (!accepted && this.isOurs()) await this.pause(RETRY_MS);
  }

  /** Whether it was accepted. Who was refused rests before the next order. */
  private async give(command: RolloutCommand): Promise<boolean> {
    const before = this.live.state;
    const { moment, detail: what } = placeOf(command);
    atPlace(`before-${moment}`, what);
    const handled = await this.tools.rollouts.give(this.live, command);
    atPlace(`after-${moment}`, what);
    if (handled.accepted) {
      this.tools.metrics.note(before, handled.stored);
      if (command.type === 'RequestDriftAssessment')
        this.memory = { ...this.memory, nextRequestId: requestIdFor(this.live.rolloutId, this.tools.newId()) };
      // What the step was asked for on is in the log with it.
      if (command.type === 'RequestStep') this.memory = { ...this.memory, observation: null };
      return true;
    }
    const detail = handled.refusals.map((refusal) => refusal.detail).join(' ');
    this.tools.log.warn({ rolloutId: this.live.rolloutId, command: command.type, detail }, 'an order of the runner was refused');
    this.memory = { ...this.memory, observation: null };
    // Whatever speaks against it is in the log: who is not the owner any more drops the rollout now, not when it hears of it.
    await this.tools.rollouts.reload(this.live);
    return false;
  }

  private async observe(move: Extract<Move, { move: 'observe' }>): Promise<void> {
    const { step, requested } = move;
    if (requested) atPlace('before-outcome-observed', step.stepId);
    const beganMs = performance.now();
    const seen = await this.tools.looker.look({ state: this.live.state, step, requested });
    if (requested) atPlace('after-outcome-observed', step.stepId);
    this.underWay = true;
    // This process may have been stopped in the middle of it. Where hosts are that slow, the second one is used all the same.
    this.lookWasSlow = !this.lookWasSlow && performance.now() - beganMs > SNAPSHOT_MAX_AGE_MS;
    if (!this.lookWasSlow) this.remember(requested?.key ?? step.stepId, this.withPerformed(requested?.key, this.withDoubt(seen)));
  }

  private remember(forStep: string, observation: Observation): void {
    this.lookedAtMs = performance.now();
    this.memory = { ...this.memory, observation: { forStep, observation } };
  }

  /** While an earlier owner may still act on a host that has not answered, no picture is whole. */
  private withDoubt(seen: Observation): Observation {
    if (this.unreachable.length === 0 || !seen.snapshot) return seen;
    const doubt = `An earlier owner could not be shut out on ${this.unreachable.join(', ')}: no answer.`;
    return { ...seen, snapshot: { ...seen.snapshot, complete: false, disagreements: [...seen.snapshot.disagreements, doubt] } };
  }

  private withPerformed(key: string | undefined, seen: Observation): Observation {
    const said = key !== undefined && this.said?.key === key ? this.said.performed : undefined;
    return said ? { ...seen, performed: said } : seen;
  }

  private async evaluateGates(): Promise<void> {
    const inputs = await this.tools.gateInputs.collect(this.live.state);
    const atMs = this.tools.now();
    const at = new Date(atMs).toISOString();
    await this.reviseForTopology(inputs.topologyFingerprint, at);
    this.memory = { ...this.memory, gatesEvaluatedAtMs: atMs };
    await this.order({ type: 'EvaluateGates', inputs, incarnation: this.tools.incarnation, at });
  }

  /** Until it is admitted, a rollout whose topology has changed is planned anew; an approval of the old plan lapses with it. */
  private async reviseForTopology(seen: string | null, at: string): Promise<void> {
    const { admitted, planned, plan, topologyFingerprint } = this.live.state;
    if (admitted || !planned || !plan || seen === null || seen === topologyFingerprint) return;
    const made = await this.tools.planner.plan(planned, planned.cluster);
    if (!made.planned.plan) return;
    const { incarnation } = this.tools;
    const { plan: revised, binding, topologyFingerprint: fingerprint } = made.planned;
    const reason = 'The topology has changed since the plan was made: nodes, versions or settings that matter.';
    await this.order({ type: 'RevisePlan', plan: revised, reason, binding, topologyFingerprint: fingerprint, incarnation, at });
  }

  private async perform(move: Extract<Move, { move: 'perform' }>): Promise<void> {
    const { requested } = move;
    if (!(await this.leaseOutlastsAct())) return;
    let accepted = false;
    const performed = await this.tools.performer.perform({
      state: this.live.state,
      requested,
      fence: this.fence(),
      mayGoOn: (next) => {
        if (!next.binding && !this.mayGoOn()) return false;
        if (next.act !== 'wait') atPlace('before-act-sent', `${requested.stepId}/${next.act}`);
        return true;
      },
      onAct: (act, tookMs, detail) => {
        atPlace('before-act-accepted', `${requested.stepId}/${act}`);
        accepted = true;
        this.tools.log.info(
          { rolloutId: this.live.rolloutId, stepId: requested.stepId, act, tookMs: Math.round(tookMs), detail },
          'act',
        );
      },
    });
    if (performed.status === 'unknown' && performed.cause === 'fenced') {
      await this.shutOut(performed.reason, { key: requested.key });
    }
    this.said = { key: requested.key, performed };
    this.memory = { ...this.memory, performed: { key: requested.key }, observation: null };
    this.underWay = true;
    if (accepted) atPlace('after-act-accepted', requested.stepId);
  }

  private isOwnerByLog(): boolean {
    return this.live.state.owner?.incarnation === this.tools.incarnation;
  }

  /** A freeze, a stop of the process or a lost ownership holds before the next act that may be held. */
  private mayGoOn(): boolean {
    return !this.stopping && this.live.state.status !== 'frozen' && this.isOwnerByLog();
  }

  private async leaseOutlastsAct(): Promise<boolean> {
    if (this.tools.leaseRemainingMs() >= LONGEST_ACT_MS) return true;
    this.tools.log.warn({ rolloutId: this.live.rolloutId }, 'the lease has not been renewed; waiting before the next act');
    await this.pause(RETRY_MS);
    return false;
  }

  private fence(): Fence {
    return { logId: this.tools.eventLog.logId, epoch: this.live.epoch };
  }

  private async pause(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    if (!this.wakePending) {
      await new Promise<void>((resolve) => {
        this.woken = resolve;
        // A timer cuts fractions off: one that fires too early would only be set again.
        timer = setTimeout(resolve, Math.min(Math.ceil(ms), LONGEST_SLEEP_MS));
      });
    }
    clearTimeout(timer);
    this.woken = null;
    this.wakePending = false;
  }
}

/** What is committed with a command, and of which step. */
function placeOf(command: RolloutCommand): { readonly moment: CrashMoment; readonly detail: string } {
  switch (command.type) {
    case 'RequestStep':
      return { moment: 'intent-committed', detail: command.stepId };
    case 'RecordOutcome':
    case 'SkipStep':
      return { moment: 'outcome-committed', detail: command.stepId };
    default:
      return { moment: 'decision-committed', detail: command.type };
  }
}
