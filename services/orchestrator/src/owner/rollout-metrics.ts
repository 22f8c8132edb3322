import type { StoredEvent } from '@understudy/event-log';
import type { RolloutState } from '@understudy/orchestrator-domain';
import type { Metrics } from '@understudy/runtime';
import { Counter, Gauge, Histogram } from 'prom-client';

const STEP_BUCKETS_SECONDS = [0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3_600];
const OUTCOMES: Readonly<Record<string, string>> = {
  StepSucceeded: 'succeeded',
  StepFailed: 'failed',
  StepUnknown: 'unknown',
};

/** What this process measures of the rollouts that it drives; over all replicas the sums are right, for a rollout has one owner. */
export class RolloutMetrics {
  private readonly steps: Histogram<'kind' | 'phase' | 'outcome'>;
  private readonly closed: Counter<'kind' | 'result'>;

  /** @param driven the rollouts that this process drives now. */
  constructor(metrics: Metrics, driven: () => readonly RolloutState[]) {
    this.steps = new Histogram({
      name: 'understudy_step_duration_seconds',
      help: 'Time from the request of a step’s attempt to its outcome.',
      labelNames: ['kind', 'phase', 'outcome'],
      buckets: STEP_BUCKETS_SECONDS,
      registers: metrics.registersFor('understudy_step_duration_seconds'),
    });
    this.closed = new Counter({
      name: 'understudy_rollouts_closed_total',
      help: 'Rollouts that this process closed, by result.',
      labelNames: ['kind', 'result'],
      registers: metrics.registersFor('understudy_rollouts_closed_total'),
    });
    new Gauge({
      name: 'understudy_rollouts_driven',
      help: 'Rollouts that this process drives now, by phase and state.',
      labelNames: ['phase', 'status'],
      registers: metrics.registersFor('understudy_rollouts_driven'),
      collect() {
        this.reset();
        for (const state of driven()) this.inc({ phase: phaseOf(state), status: state.status });
      },
    });
  }

  /** @param before the rollout's state when the events were decided. */
  note(before: RolloutState, stored: readonly StoredEvent[]): void {
    for (const event of stored) {
      if (event.type === 'RolloutClosed') {
        const { result } = event.body as { readonly result: string };
        this.closed.inc({ kind: before.planned?.kind ?? 'unknown', result });
      }
      const outcome = OUTCOMES[event.type];
      if (outcome !== undefined) this.ended(before, event, outcome);
    }
  }

  private ended(before: RolloutState, event: StoredEvent, outcome: string): void {
    const { stepId } = event.body as { readonly stepId: string };
    const known = before.steps.find(({ step }) => step.stepId === stepId);
    if (!known?.requested) return;
    const { kind, phase } = known.step;
    const seconds = Math.max(0, Date.parse(event.time) - Date.parse(known.requested.at)) / 1_000;
    this.steps.observe({ kind, phase, outcome }, seconds);
  }
}

/** The phase of the step that is open or comes next. */
function phaseOf({ steps, status }: RolloutState): string {
  if (status === 'planned') return 'admit';
  return steps.find(({ endedAt }) => endedAt === null)?.step.phase ?? 'close';
}
