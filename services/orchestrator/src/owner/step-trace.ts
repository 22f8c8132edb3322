import { LinkedTrace } from '@understudy/event-log';
import type { Move } from '@understudy/orchestrator-domain';
import type { LiveRollout } from '../handle.js';

/** The way to the admission is one trace; so is whatever else the runner does beside steps. */
const ADMISSION = 'admission';
const BESIDE = 'decision';

/**
 * One trace per step of a rollout, linked to what led to it: the step before, or a message or a person's command in between. A
 * rollout may take hours and change owners; the links are read from its events.
 */
export class StepTraces {
  private current: { readonly key: string; readonly trace: LinkedTrace } | undefined;

  constructor(private readonly live: LiveRollout) {}

  /** Makes a move inside of its step's trace; waiting belongs to none. */
  run<T>(move: Move, work: () => Promise<T>): Promise<T> {
    const key = this.keyOf(move);
    if (key === undefined) return work();
    return this.traceFor(key).within(work);
  }

  end(): void {
    this.current?.trace.end();
    this.current = undefined;
  }

  private traceFor(key: string): LinkedTrace {
    const { traceparent, rolloutId, state } = this.live;
    if (this.current?.key === key) {
      this.current.trace.alsoAfter(traceparent);
      return this.current.trace;
    }
    this.end();
    const cluster = state.planned?.cluster.slug ?? '';
    const attributes = { 'understudy.rollout_id': rolloutId, 'understudy.cluster': cluster, 'understudy.step': key };
    const trace = new LinkedTrace({ name: `rollout ${key}`, after: [traceparent], attributes });
    this.current = { key, trace };
    return trace;
  }

  private keyOf(move: Move): string | undefined {
    switch (move.move) {
      case 'observe':
        return move.step.stepId;
      case 'perform':
        return move.requested.stepId;
      case 'evaluate-gates':
        return this.besideSteps();
      case 'command':
        return 'stepId' in move.command ? move.command.stepId : this.besideSteps();
      case 'sleep':
      case 'wait':
        return undefined;
    }
  }

  private besideSteps(): string {
    return this.live.state.admitted === null ? ADMISSION : BESIDE;
  }
}
