import type { ClusterDefinition } from '@understudy/cluster';
import type { EventLog } from '@understudy/event-log';
import {
  isKnown,
  maxAgeMs,
  samplesOf,
  testVerdict,
  type DurationSample,
  type GateInputs,
  type RolloutState,
  type SwitchoverResult,
} from '@understudy/orchestrator-domain';
import { foldRollout } from '../use-cases/rollout-queries.js';
import type { Rollouts } from './rollouts/rollouts.js';

/** Rollouts looked back at for a result that still holds. */
const LOOK_BACK = 10;

/** What earlier rollouts of a cluster proved and took, folded from the log: switchover tests, rehearsals, durations. */
export class PastTests {
  constructor(
    private readonly log: EventLog,
    private readonly rollouts: Rollouts,
  ) {}

  /** The newest passed switchover test of this very topology that has not expired, or null. */
  readonly switchoverResult = async (cluster: string, fingerprint: string, nowMs: number): Promise<SwitchoverResult | null> => {
    const rows = await this.rollouts.ofCluster(cluster, LOOK_BACK);
    for (const row of rows.filter((candidate) => candidate.fingerprint === fingerprint)) {
      const state = await this.fold(row.rolloutId);
      const result = resultOf(state, row.rolloutId);
      if (result && Date.parse(result.expiresAt) > nowMs) return result;
    }
    return null;
  };

  /** The newest rehearsal on a lab twin of this cluster, or null. */
  async rehearsal(definition: ClusterDefinition): Promise<GateInputs['rehearsal']> {
    const rows = await this.rollouts.rehearsalsFor(definition.slug, LOOK_BACK);
    for (const row of rows) {
      const state = await this.fold(row.rolloutId);
      if (!state.closed || !state.planned) continue;
      return { passed: state.closed.result === 'succeeded', fidelity: row.fidelity, at: state.closed.at };
    }
    return null;
  }

  /** What steps took in the newest rollouts of a cluster, newest first: what later plans expect. */
  readonly durations = async (cluster: string): Promise<readonly DurationSample[]> => {
    const rows = await this.rollouts.ofCluster(cluster, LOOK_BACK);
    const states = await Promise.all(rows.map((row) => this.fold(row.rolloutId)));
    return states.flatMap((state) => [...samplesOf(state)].reverse());
  };

  private async fold(rolloutId: string): Promise<RolloutState> {
    return foldRollout(await this.log.readStream(`rollout/${rolloutId}`));
  }
}

/** A test counts from the end of its last switchover; what was only skipped proves nothing anew. */
function resultOf(state: RolloutState, rolloutId: string): SwitchoverResult | null {
  if (!isKnown(state) || testVerdict(state).verdict !== 'passed') return null;
  const done = state.steps.filter(
    (step) => step.step.phase === 'switchover-test' && step.step.kind === 'switchover' && step.status === 'succeeded',
  );
  const at = done.at(-1)?.endedAt;
  if (!at) return null;
  const longest = done.map((step) => (step.interruption?.measured ? step.interruption.longestMs : 0));
  return {
    rolloutId,
    fingerprint: state.topologyFingerprint,
    at,
    expiresAt: new Date(Date.parse(at) + maxAgeMs('switchover-test', state.planned.playbook)).toISOString(),
    longestInterruptionMs: Math.max(...longest),
  };
}
