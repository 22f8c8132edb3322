import type { MeasuredInterruption } from './observation.js';
import { outageOf } from './outage.js';
import type { Override } from './override.js';
import type { GateName } from './plan.js';
import { versionsOf } from './versions.js';
import type { GateEvaluated, RolloutClosed, RolloutEvent, RolloutPlanned, RolloutState, StepState } from './rollout.js';
import { fold } from '@understudy/decider';
import { evolve } from './evolve.js';
import { INITIAL } from './state.js';
import { msOf } from './time.js';

/** What a report says, for any format. Everything in it was recorded; nothing is computed from elsewhere. */
export interface RolloutReport {
  readonly rolloutId: string;
  readonly cluster: string;
  readonly kind: RolloutPlanned['kind'];
  readonly environment: string;
  readonly status: RolloutState['status'];
  readonly result: RolloutClosed['result'] | null;
  readonly reason: string;
  readonly plannedBy: string;
  readonly approvedBy: string | null;
  readonly ticket: string | null;
  readonly playbook: { readonly name: string; readonly version: number; readonly hash: string };
  readonly patchSet: RolloutPlanned['patchSet'];
  readonly window: { readonly opensAt: string; readonly closesAt: string };
  /** From the admission to the close, in milliseconds; null where one is missing. */
  readonly tookMs: number | null;
  readonly steps: readonly ReportStep[];
  readonly gates: readonly GateEvaluated[];
  readonly overrides: readonly Override[];
  /** Of a downtime rollout: what was approved, and how long the workload was away by our own record. */
  readonly outage: ReturnType<typeof outageOf>;
  /** How long nodes ran different versions, the last time they did; null = never. */
  readonly mixedVersions: RolloutState['mixed'];
  readonly order: readonly { readonly node: string; readonly host: string; readonly reason: string }[];
  readonly interruption: MeasuredInterruption;
  readonly versionsBefore: RolloutClosed['versions'];
  readonly versionsAfter: RolloutClosed['versions'];
  readonly acceptedRisks: readonly string[];
  readonly notRequired: readonly string[];
  readonly deviations: readonly string[];
  readonly breaches: readonly number[];
  readonly remains: RolloutClosed['remains'];
  readonly downtimePlan: RolloutState['downtimePlan'];
  readonly story: readonly ReportLine[];
}

export interface ReportStep {
  readonly stepId: string;
  readonly kind: string;
  readonly phase: string;
  readonly node: string | null;
  readonly status: StepState['status'];
  readonly attempts: number;
  readonly tookMs: number | null;
  readonly reason: string | null;
  readonly adopted: boolean;
  readonly interruption: MeasuredInterruption | null;
}

/** One thing that happened, in a sentence. */
export interface ReportLine {
  readonly at: string | null;
  readonly what: string;
}

/** The report of a rollout from its recorded events; undefined when nothing was planned. */
export function reportOf(events: readonly RolloutEvent[]): RolloutReport | undefined {
  const state = fold({ initial: INITIAL, evolve }, events);
  const { planned, closed, plan } = state;
  if (planned === null) return undefined;
  return {
    rolloutId: planned.rolloutId,
    cluster: planned.cluster.slug,
    kind: planned.kind,
    environment: planned.cluster.environment,
    status: state.status,
    result: closed?.result ?? null,
    reason: closed?.reason ?? 'It has not ended.',
    plannedBy: planned.plannedBy,
    approvedBy: state.approval?.by ?? null,
    ticket: state.ticket?.number ?? null,
    playbook: { name: planned.playbook.name, version: planned.playbook.version, hash: planned.playbookHash },
    patchSet: planned.patchSet,
    window: { opensAt: planned.opensAt, closesAt: planned.closesAt },
    tookMs: state.admitted === null || closed === null ? null : msOf(closed.at) - msOf(state.admitted.at),
    steps: state.steps.map(reportStep),
    gates: Object.values(state.gates),
    overrides: state.overrides,
    outage: outageOf(state),
    mixedVersions: state.mixed,
    order: plan?.order ?? [],
    interruption: closed?.interruption ?? { measured: false, reason: 'The rollout has not ended.' },
    versionsBefore: versionsBefore(state),
    versionsAfter: closed?.versions ?? {},
    acceptedRisks: state.admitted?.acceptedRisks ?? [],
    notRequired: closed?.notRequired ?? [],
    deviations: state.deviations,
    breaches: state.breaches,
    remains: closed?.remains ?? [],
    downtimePlan: state.downtimePlan,
    story: events.map(line),
  };
}

function reportStep(step: StepState): ReportStep {
  const begun = step.requestedAt;
  return {
    stepId: step.step.stepId,
    kind: step.step.kind,
    phase: step.step.phase,
    node: step.step.node ?? null,
    status: step.status,
    attempts: step.attempt,
    tookMs: begun === null || step.endedAt === null ? null : msOf(step.endedAt) - msOf(begun),
    reason: step.reason,
    adopted: step.adopted,
    interruption: step.interruption,
  };
}

/** As the topology gate saw them when the rollout was admitted. */
function versionsBefore(state: RolloutState): RolloutClosed['versions'] {
  const seen = state.gates['topology' satisfies GateName]?.evidence['versions'];
  return (seen ?? versionsOf(null)) as RolloutClosed['versions'];
}

function line(event: RolloutEvent): ReportLine {
  const at = 'at' in event.data ? event.data.at : null;
  return { at, what: sentenceOf(event) };
}

function sentenceOf(event: RolloutEvent): string {
  switch (event.type) {
    case 'RolloutPlanned':
      return `Planned by ${event.data.plannedBy}: ${event.data.plan === null ? `no plan, ${event.data.noPlanBecause}` : `${event.data.plan.steps.length} steps`}.`;
    case 'PlanRevised':
      return `The plan was revised: ${event.data.reason}`;
    case 'DowntimePlanOffered':
      return `A downtime plan was offered: ${event.data.reason}`;
    case 'RolloutApproved':
      return `Approved by ${event.data.by}.`;
    case 'TicketRecorded':
      return `Ticket ${event.data.number} is ${event.data.approved ? 'approved' : 'not approved'}.`;
    case 'DriftAssessmentRequested':
      return 'Drift was asked for.';
    case 'DriftAssessmentReceived':
      return `Drift was assessed: ${event.data.blocking.length} blocking findings, ${event.data.warnings} warnings.`;
    case 'GateEvaluated':
      return `Gate ${event.data.gate} is ${event.data.status}: ${event.data.reason}`;
    case 'RolloutAdmitted':
      return `Admitted; ${event.data.hosts.join(', ')} are claimed.`;
    case 'RolloutAdopted':
      return `${event.data.instance} drives the rollout.`;
    default:
      return motionSentence(event);
  }
}

type Motion = Exclude<
  RolloutEvent,
  {
    type:
      | `Rollout${'Planned' | 'Approved' | 'Admitted' | 'Adopted'}`
      | 'PlanRevised'
      | `D${'owntimePlanOffered' | 'riftAssessmentRequested' | 'riftAssessmentReceived'}`
      | 'TicketRecorded'
      | 'GateEvaluated';
  }
>;

function motionSentence(event: Motion): string {
  switch (event.type) {
    case 'StepRequested':
      return `${event.data.stepId} was begun, attempt ${event.data.attempt}.`;
    case 'StepSucceeded':
      return `${event.data.stepId} succeeded${event.data.adopted ? ' (found done after a restart)' : ''}.`;
    case 'StepFailed':
      return `${event.data.stepId} failed: ${event.data.reason}`;
    case 'StepUnknown':
      return `What became of ${event.data.stepId} is not known: ${event.data.reason}`;
    case 'StepSkipped':
      return `${event.data.stepId} was skipped: ${event.data.reason}`;
    case 'DeadlineMissed':
      return `A deadline was missed: ${event.data.what}`;
    case 'DeviationRecorded':
      return `Something else happened: ${event.data.what}`;
    case 'PointOfNoReturnPassed':
      return event.data.meaning;
    case 'HoldRequested':
      return `${event.data.by} asked to hold: ${event.data.reason}`;
    case 'RolloutHeld':
      return `Held: ${event.data.reason}`;
    case 'RolloutBegun':
      return `Begun with wave ${event.data.wave} of its window.`;
    case 'RolloutResumed':
      return `Resumed by ${event.data.by}${event.data.as === 'held' ? ': the freeze has ended, what was held stays held' : ''}.`;
    case 'RolloutFrozen':
      return `Frozen by ${event.data.by}: ${event.data.reason}`;
    case 'AbortRequested':
      return `${event.data.by} asked to abort: ${event.data.reason}`;
    case 'RollbackRequested':
      return `${event.data.by} asked to roll back ${event.data.nodes.join(', ')}: ${event.data.reason}`;
    case 'InvariantBreached':
      return `Invariant ${event.data.number} was breached: ${event.data.detail}`;
    case 'MixedVersionsEscalated':
    case 'OutageBudgetExceeded':
      return event.data.detail;
    case 'OverrideRequested':
      return `${event.data.by} asked to open gate ${event.data.gate} until ${event.data.until}: ${event.data.reason}`;
    case 'OverrideConfirmed':
      return `${event.data.confirmedBy} confirmed: gate ${event.data.gate} is open by override until ${event.data.until}.`;
    case 'OverrideWithdrawn':
      return `${event.data.by} withdrew the override of gate ${event.data.gate}: ${event.data.reason}`;
    case 'RolloutClosed':
      return `Closed as ${event.data.result}: ${event.data.reason}`;
  }
}
