import type { Closed, DowntimePlan, Interruption, PlannedStep, RecordedEvent } from '../rest/documents.js';

/**
 * Recorded events into lines for a person. Pure; keeps what it needs to know of the plan between events. An event that
 * it does not know says nothing here: it is in the report.
 */
export interface Line {
  readonly tone: 'good' | 'bad' | 'notice' | 'plain';
  /** Named once, when it changes. */
  readonly phase: string;
  readonly text: string;
}

const PHASE_WORDS: Readonly<Record<string, string>> = {
  admit: 'gates',
  preflight: 'preflight',
  'switchover-test': 'switchover test',
  standby: 'patch the standby',
  switchover: 'switchover',
  original: 'patch the original',
  failback: 'failback',
  postflight: 'postflight',
  recovery: 'way back',
};

type Body = RecordedEvent['body'];

export class Narrator {
  private readonly steps = new Map<string, PlannedStep>();
  private readonly requestedAt = new Map<string, number>();
  private readonly gates = new Map<string, string>();
  private phase = 'admit';
  private current: string | null = null;
  private owners = 0;

  /** What goes on now, for a status line. */
  now(): { readonly phase: string; readonly step: string | null } {
    return { phase: words(this.phase), step: this.current };
  }

  tell(event: RecordedEvent): readonly Line[] {
    const teller = TELLERS[event.type];
    return teller === undefined ? [] : teller(this, event.body, event);
  }

  line(tone: Line['tone'], text: string): readonly Line[] {
    return [{ tone, phase: words(this.phase), text }];
  }

  plan(steps: readonly PlannedStep[]): void {
    for (const step of steps) this.steps.set(step.stepId, step);
  }

  requested(stepId: string, at: string): void {
    const step = this.steps.get(stepId);
    this.phase = step?.phase ?? this.phase;
    this.current = step === undefined ? stepId : stepWords(step);
    this.requestedAt.set(stepId, Date.parse(at));
  }

  ended(stepId: string, at: string): { readonly step: string; readonly tookMs: number } {
    const step = this.steps.get(stepId);
    this.phase = step?.phase ?? this.phase;
    this.current = null;
    return {
      step: step === undefined ? stepId : stepWords(step),
      tookMs: Date.parse(at) - (this.requestedAt.get(stepId) ?? Date.parse(at)),
    };
  }

  isSwitchover(stepId: string): boolean {
    return this.steps.get(stepId)?.kind === 'switchover';
  }

  /** A gate is told when its answer changes; the open ones together, when the rollout is admitted. */
  gateChanged(gate: string, status: string): boolean {
    const before = this.gates.get(gate);
    this.gates.set(gate, status);
    return before !== status;
  }

  /** How often the rollout was taken over, this time included. */
  adopted(): number {
    this.owners += 1;
    return this.owners;
  }

  openGates(): readonly string[] {
    return [...this.gates].filter(([, status]) => status === 'open').map(([gate]) => gate);
  }
}

type Teller = (narrator: Narrator, body: Body, event: RecordedEvent) => readonly Line[];

const TELLERS: Readonly<Record<string, Teller>> = {
  RolloutPlanned: (narrator, body) => {
    const plan = body['plan'] as { steps: PlannedStep[]; order: { node: string }[] } | null;
    if (plan === null) return narrator.line('notice', `no rolling plan: ${string(body['noPlanBecause'])}`);
    narrator.plan(plan.steps);
    return narrator.line(
      'plain',
      `planned: ${plan.steps.length} steps, patched in the order ${plan.order.map((place) => place.node).join(', ')}`,
    );
  },
  PlanRevised: (narrator, body) => {
    narrator.plan((body['plan'] as { steps: PlannedStep[] }).steps);
    return narrator.line('notice', `plan revised: ${string(body['reason'])}`);
  },
  DowntimePlanOffered: (narrator, body) =>
    narrator.line(
      'notice',
      `a downtime plan is offered instead: about ${seconds((body as unknown as DowntimePlan).estimatedDowntimeMs)} without service`,
    ),
  GateEvaluated: (narrator, body) => {
    const status = string(body['status']);
    const changed = narrator.gateChanged(string(body['gate']), status);
    if (!changed || status !== 'closed' || body['requirement'] === 'off') return [];
    const binding = body['requirement'] === 'required';
    return narrator.line(
      binding ? 'bad' : 'notice',
      `gate ${string(body['gate'])} ${binding ? 'closed' : 'not proven (advisory)'}: ${short(body['reason'])}`,
    );
  },
  // The first one is no news: somebody has to begin.
  RolloutAdopted: (narrator) =>
    narrator.adopted() === 1 ? [] : narrator.line('notice', 'taken over by the next start: what is open is looked at first'),
  RolloutAdmitted: (narrator) => narrator.line('good', `admitted; open: ${narrator.openGates().join(', ')}`),
  StepRequested: (narrator, body) => {
    narrator.requested(string(body['stepId']), string(body['at']));
    return [];
  },
  StepSucceeded: (narrator, body) => {
    const { step, tookMs } = narrator.ended(string(body['stepId']), string(body['at']));
    return narrator.line(
      'good',
      `${step.padEnd(28)} ${seconds(tookMs).padStart(7)}${narrator.isSwitchover(string(body['stepId'])) ? gapWords(body['interruption']) : ''}`,
    );
  },
  StepFailed: (narrator, body) =>
    narrator.line('bad', `${narrator.ended(string(body['stepId']), string(body['at'])).step} failed: ${string(body['reason'])}`),
  StepUnknown: (narrator, body) =>
    narrator.line(
      'notice',
      `${narrator.ended(string(body['stepId']), string(body['at'])).step}: outcome not known yet (${string(body['reason'])})`,
    ),
  StepSkipped: (narrator, body) =>
    narrator.line(
      'notice',
      `${narrator.ended(string(body['stepId']), string(body['at'])).step} skipped: ${string(body['reason'])}`,
    ),
  DeadlineMissed: (narrator, body) => narrator.line('notice', `deadline missed: ${string(body['what'])}`),
  DeviationRecorded: (narrator, body) => narrator.line('notice', `deviation: ${string(body['what'])}`),
  PointOfNoReturnPassed: (narrator, body) => narrator.line('notice', `point of no return: ${string(body['meaning'])}`),
  RolloutHeld: (narrator, body) => narrator.line('notice', `held: ${string(body['reason'])}`),
  RolloutResumed: (narrator, body) => narrator.line('plain', `resumed by ${string(body['by'])}`),
  RolloutFrozen: (narrator, body) => narrator.line('bad', `frozen by ${string(body['by'])}: ${string(body['reason'])}`),
  InvariantBreached: (narrator, body) =>
    narrator.line('bad', `invariant ${String(body['number'])} breached: ${string(body['detail'])}`),
  RolloutClosed: (narrator, body) => {
    const closed = body as unknown as Closed;
    return narrator.line(closed.result === 'succeeded' ? 'good' : 'notice', `${closed.result}: ${short(closed.reason)}`);
  },
};

function stepWords(step: PlannedStep): string {
  const words = step.kind.replaceAll('-', ' ');
  if (step.kind === 'switchover') return `switch over to ${step.node ?? '?'}`;
  if (step.toVersion !== undefined) return `${words} ${step.node ?? ''} to ${step.toVersion}`;
  return step.node === undefined ? words : `${words} ${step.node}`;
}

function gapWords(interruption: unknown): string {
  const measured = interruption as Interruption | undefined;
  if (measured === undefined || !measured.measured || measured.longestMs === 0) return '';
  return `   clients waited ${Math.round(measured.longestMs)} ms`;
}

function words(phase: string): string {
  return PHASE_WORDS[phase] ?? phase;
}

function string(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value ?? null);
}

/** The whole of it is in the report. */
const LONGEST_REASON = 160;

function short(value: unknown): string {
  const text = string(value);
  return text.length <= LONGEST_REASON ? text : `${text.slice(0, LONGEST_REASON)} ...`;
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
