import type { Environment } from '@understudy/cluster';
import { wasPassedOver } from './gate-drift.js';
import type { GateName, GateTable, Playbook, Requirement, RolloutKind } from './plan.js';
import { GATES } from './plan.js';
import type { Known } from './state.js';
import { msOf } from './time.js';

const EVERYWHERE = {
  'ha-layer': 'required',
  topology: 'required',
  drift: 'required',
  'switchover-test': 'required',
  probe: 'required',
  window: 'required',
  'way-back': 'advisory',
} as const;

/** Which gates bind where. Whatever is not required is listed in the report. */
export const GATE_TABLE: GateTable = {
  production: { ...EVERYWHERE, 'change-ticket': 'required', approval: 'required', rehearsal: 'advisory' },
  lab: { ...EVERYWHERE, 'change-ticket': 'off', approval: 'off', rehearsal: 'off' },
  practice: { ...EVERYWHERE, 'change-ticket': 'off', approval: 'off', rehearsal: 'off' },
};

/** What takes the workload away needs neither a layer that could move it nor a test of moving it. */
const OFF_IN_DOWNTIME: readonly GateName[] = ['ha-layer', 'switchover-test'];

export function requirementOf(gate: GateName, environment: Environment, kind: RolloutKind): Requirement {
  return kind === 'downtime' && OFF_IN_DOWNTIME.includes(gate) ? 'off' : GATE_TABLE[environment][gate];
}

/** How long, in milliseconds, the evidence of a gate may be used where the playbook does not say. */
export const DEFAULT_MAX_AGE_MS = 3_600_000;

export function maxAgeMs(gate: GateName, playbook: Playbook): number {
  return playbook.gates.find((entry) => entry.gate === gate)?.maxAgeMs ?? DEFAULT_MAX_AGE_MS;
}

/** How long, in milliseconds, a closed or pending gate rests before it is looked at again. */
export const RECHECK_MS: Readonly<Record<Environment, number>> = { production: 30_000, lab: 10_000, practice: 1_000 };

/** How long, in milliseconds, drift may take to answer before the question is asked again. */
export const DRIFT_ANSWER_MS: Readonly<Record<Environment, number>> = { production: 300_000, lab: 120_000, practice: 30_000 };

/**
 * Gates whose evidence ages by itself while a rollout moves, and is checked again before each irreversible step. Of the
 * others, the topology is seen anew with every order, the window is the time budget, the rest cannot change under way.
 */
export const AGEING_GATES: readonly GateName[] = ['drift', 'switchover-test', 'change-ticket', 'approval'];

export function requiredGates(state: Known): readonly GateName[] {
  return GATES.filter((gate) => isRequired(gate, state));
}

function isRequired(gate: GateName, { planned: { cluster, kind } }: Known): boolean {
  return requirementOf(gate, cluster.environment, kind) === 'required';
}

/** Required gates that are not open at that time (milliseconds since the epoch): one that was never evaluated is closed. */
export function notOpen(state: Known, nowMs: number, among: readonly GateName[] = requiredGates(state)): readonly GateName[] {
  return among.filter((gate) => {
    const seen = state.gates[gate];
    return seen?.status !== 'open' || (seen.until !== null && msOf(seen.until) <= nowMs);
  });
}

/** Ageing gates of this rollout that are required and not open any more, or were opened without a node that is back. */
export function lapsedGates(state: Known, nowMs: number): readonly GateName[] {
  const ageing = AGEING_GATES.filter((gate) => isRequired(gate, state));
  const shut = notOpen(state, nowMs, ageing);
  return ageing.filter((gate) => shut.includes(gate) || (gate === 'drift' && wasPassedOver(state)));
}
