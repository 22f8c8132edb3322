import type {
  GateInputs,
  PlannedStep,
  RollbackRequested,
  RolloutClosed,
  RolloutEvent,
  RolloutPlanned,
  StepRequested,
} from '@understudy/orchestrator-domain';
import type { StepLook } from './gates.js';

/**
 * What the judge keeps of a rollout's history. Folded here, by nobody's rules but the judge's own: he must not share a mistake
 * with the domain that he judges.
 */

export interface StepRecord {
  readonly step: PlannedStep;
  attempt: number;
  status: 'planned' | 'requested' | 'succeeded' | 'failed' | 'unknown' | 'skipped';
  requested: StepRequested | null;
  endedAtMs: number;
  /** As measured over the step; null = not measured. */
  longestMs: number | null;
  evidence: Readonly<Record<string, unknown>>;
  missedDeadline: boolean;
  /** The newest look at it, before the request and after it. */
  look: StepLook | null;
}

export interface OpenGate {
  readonly open: boolean;
  readonly untilMs: number | null;
  /** Nodes that drift could not be compared of, and that it was opened without. */
  readonly without: readonly string[];
}

export class RolloutRecord {
  planned: RolloutPlanned | null = null;
  steps: StepRecord[] = [];
  forwardMs = 0;
  fingerprint = '';
  inRecovery = false;
  owner: { readonly instance: string; readonly incarnation: string; readonly atMs: number } | null = null;
  admittedHosts: readonly string[] | null = null;
  stands: 'held' | 'frozen' | null = null;
  /** It was held when it was frozen, or has been since: the end of the freeze leaves it held. */
  heldBeneath = false;
  frozenAtMs = 0;
  holdAsked = false;
  abortAsked = false;
  /** Asked for a drain and not released since. */
  readonly out = new Set<string>();
  readonly patched = new Set<string>();
  readonly validated = new Set<string>();
  /** Who served when the standby phase began. */
  original: string | null = null;
  /** A patched node was validated as the one that serves, after the switchover. */
  moved = false;
  probeAsked = false;
  driftAsked: string | null = null;
  driftAnswered: string | null = null;
  approvedBy: string | null = null;
  readonly gates = new Map<string, OpenGate>();
  inputs: GateInputs | null = null;
  closed: RolloutClosed | null = null;
  /** No order is decided on a look from before this: the last outcome, adoption, resume or deviation. */
  lookAfterMs = 0;
  passedNoReturn = false;
  /** The newest step that succeeded or was left out, in the order of the log: clocks jump. */
  last: StepRecord | null = null;
  /** A person wants these nodes back; null = nobody does. */
  rollbackAsked: RollbackRequested | null = null;
  /** A deviation was recorded, and no hold yet. */
  owesHold = false;
  /** Looks at a step past its deadline, with no event since. */
  looksInVain = 0;
  /** The latest time in any event, by whoever's clock. */
  newestMs = 0;
  /** Who serves, as its own events tell; null = nobody does, undefined = it was not told yet. */
  believed: string | null | undefined = undefined;

  get believesServing(): boolean {
    return this.believed !== null;
  }

  step(stepId: string): StepRecord | undefined {
    return this.steps.find((candidate) => candidate.step.stepId === stepId);
  }

  plan(steps: readonly PlannedStep[]): void {
    const known = new Map(
      this.steps.filter((each) => each.attempt > 0 || each.status !== 'planned').map((each) => [each.step.stepId, each]),
    );
    this.steps = steps.map((step) => known.get(step.stepId) ?? fresh(step));
  }

  end(stepId: string, status: StepRecord['status'], data: Ended): void {
    const found = this.step(stepId);
    if (found === undefined) return;
    const { interruption } = data;
    found.status = status;
    if (status === 'succeeded' || status === 'skipped') this.last = found;
    found.endedAtMs = Date.parse(data.at);
    this.lookAfterMs = found.endedAtMs;
    found.evidence = data.evidence ?? {};
    found.longestMs = interruption?.measured === true ? (interruption.longestMs ?? null) : found.longestMs;
    if (data.serving !== undefined) this.believed = data.serving;
    if (status === 'succeeded') this.succeeded(found);
  }

  private succeeded({ step }: StepRecord): void {
    const node = step.node ?? '';
    if (step.kind === 'switchover') this.believed = node;
    if (step.kind === 'stop-probe') this.probeAsked = false;
    if (step.kind === 'patch') this.patched.add(node);
    if (step.kind === 'unpatch') this.patched.delete(node);
    if (step.kind === 'release') this.out.delete(node);
    if (step.kind === 'validate') {
      this.validated.add(node);
      if (step.asActive === true && step.phase === 'switchover' && this.patched.has(node)) this.moved = true;
    }
  }
}

interface Ended {
  readonly at: string;
  readonly serving?: string | null;
  readonly evidence?: Readonly<Record<string, unknown>>;
  readonly interruption?: { readonly measured: boolean; readonly longestMs?: number };
}

function fresh(step: PlannedStep): StepRecord {
  return {
    step,
    attempt: 0,
    status: 'planned',
    requested: null,
    endedAtMs: 0,
    longestMs: null,
    evidence: {},
    missedDeadline: false,
    look: null,
  };
}

/** @param serving who takes writes at this moment, in the world; null where somebody else may have moved it since the last look. */
export function record(kept: RolloutRecord, event: RolloutEvent, serving: string | null): void {
  kept.looksInVain = 0;
  if ('at' in event.data) kept.newestMs = Math.max(kept.newestMs, Date.parse(event.data.at));
  const fold = FOLDS[event.type] as
    ((kept: RolloutRecord, data: RolloutEvent['data'], serving: string | null) => void) | undefined;
  fold?.(kept, event.data, serving);
}

type Folds = {
  readonly [T in RolloutEvent['type']]?: (
    kept: RolloutRecord,
    data: Extract<RolloutEvent, { type: T }>['data'],
    serving: string | null,
  ) => void;
};

const FOLDS: Folds = {
  RolloutPlanned: (kept, data) => {
    kept.planned = data;
    kept.plan(data.plan?.steps ?? []);
    kept.forwardMs = data.plan?.forwardMs ?? 0;
    kept.fingerprint = data.topologyFingerprint;
    kept.believed = data.plan?.originalActive;
  },
  PlanRevised: (kept, data) => {
    if (kept.admittedHosts === null) kept.believed = data.plan.originalActive;
    kept.plan(data.plan.steps);
    kept.fingerprint = data.topologyFingerprint;
    if (data.recovery !== null) {
      kept.inRecovery = true;
      for (const each of kept.steps) if (each.status === 'planned' && each.attempt > 0) each.status = 'failed';
    } else {
      kept.forwardMs = data.plan.forwardMs;
    }
  },
  RolloutApproved: (kept, data) => void (kept.approvedBy = data.by),
  DriftAssessmentRequested: (kept, data) => void (kept.driftAsked = data.requestId),
  DriftAssessmentReceived: (kept, data) => void (kept.driftAnswered = data.requestId),
  GateEvaluated: (kept, data) =>
    void kept.gates.set(data.gate, {
      open: data.status === 'open',
      untilMs: data.until === null ? null : Date.parse(data.until),
      without: (data.evidence['passedOver'] ?? []) as readonly string[],
    }),
  RolloutAdmitted: (kept, data) => void (kept.admittedHosts = data.hosts),
  RolloutAdopted: (kept, data) => {
    kept.lookAfterMs = Date.parse(data.at);
    kept.owner = { instance: data.instance, incarnation: data.incarnation, atMs: Date.parse(data.at) };
  },
  StepRequested: requested,
  StepSucceeded: (kept, data) => kept.end(data.stepId, 'succeeded', data),
  StepFailed: (kept, data) => kept.end(data.stepId, data.mayRepeat ? 'planned' : 'failed', data),
  StepUnknown: (kept, data) => kept.end(data.stepId, 'unknown', data),
  StepSkipped: (kept, data) => kept.end(data.stepId, 'skipped', data),
  DeadlineMissed: (kept, data) => {
    const found = data.stepId === undefined ? undefined : kept.step(data.stepId);
    if (found !== undefined) found.missedDeadline = true;
  },
  DeviationRecorded: (kept, data) => {
    if (data.serving !== undefined) kept.believed = data.serving;
    kept.lookAfterMs = Date.parse(data.at);
    kept.owesHold = true;
  },
  PointOfNoReturnPassed: (kept) => void (kept.passedNoReturn = true),
  HoldRequested: (kept) => void (kept.holdAsked = true),
  RollbackRequested: (kept, data) => {
    kept.rollbackAsked = data;
    kept.holdAsked = false;
    kept.lookAfterMs = Date.parse(data.at);
    if (kept.stands === 'held') kept.stands = null;
  },
  RolloutHeld: (kept, data) => {
    if (data.dropsRollback === true) kept.rollbackAsked = null;
    kept.heldBeneath = kept.stands === 'frozen';
    if (kept.stands !== 'frozen') kept.stands = 'held';
    kept.owesHold = false;
    kept.holdAsked = false;
  },
  RolloutFrozen: (kept, data) => {
    if (kept.stands === 'held') kept.heldBeneath = true;
    kept.stands = 'frozen';
    kept.frozenAtMs = Date.parse(data.at);
  },
  RolloutResumed: (kept, data) => {
    kept.lookAfterMs = Date.parse(data.at);
    const thawed = kept.stands === 'frozen';
    kept.stands = thawed && kept.heldBeneath ? 'held' : null;
    kept.heldBeneath = false;
    if (thawed) return;
    kept.holdAsked = false;
    for (const each of kept.steps)
      if (each.status === 'failed' && (!kept.inRecovery || each.step.phase === 'recovery')) each.status = 'planned';
  },
  AbortRequested: (kept, data) => {
    kept.lookAfterMs = Date.parse(data.at);
    kept.abortAsked = true;
    kept.holdAsked = false;
    if (kept.stands === 'held') kept.stands = null;
  },
  RolloutClosed: (kept, data) => void (kept.closed = data),
};

function requested(kept: RolloutRecord, data: StepRequested, serving: string | null): void {
  const found = kept.step(data.stepId);
  if (found === undefined) return;
  const { kind, phase, node } = found.step;
  if (phase === 'standby' && kept.original === null) kept.original = serving ?? kept.believed ?? null;
  found.status = 'requested';
  found.attempt = data.attempt;
  found.requested = data;
  found.missedDeadline = false;
  found.look = null;
  if (kind === 'start-probe') kept.probeAsked = true;
  if (node === undefined) return;
  if (kind === 'drain') kept.out.add(node);
  if (kind === 'patch' || kind === 'unpatch') kept.validated.delete(node);
}
