import type { Observation } from '../observation.js';
import { met, unclear, unmet, type StepRules } from './step.js';

/** The measurement from outside runs over the whole rollout. */

function evidence(observation: Observation): { readonly at: string; readonly probe: string } {
  return { at: observation.at, probe: observation.probe ?? 'unknown' };
}

export const startProbe: StepRules = {
  kind: 'start-probe',
  looks: ['probe'],
  before: [],
  irreversible: false,
  ask: () => ({ ask: 'probe', action: 'start' }),
  goal: (observation) => {
    if (observation.probe === 'running') return met(evidence(observation));
    if (observation.probe === 'absent' || observation.probe === 'ended')
      return unmet('The probe does not run.', evidence(observation));
    return unclear('Whether the probe runs could not be told.', evidence(observation));
  },
};

/** Collects the whole measurement. A probe that was lost is gone as well: its outcome is "not measured", never a guess. */
export const stopProbe: StepRules = {
  kind: 'stop-probe',
  looks: ['probe', 'interruption'],
  before: [],
  irreversible: false,
  ask: () => ({ ask: 'probe', action: 'stop' }),
  goal: (observation) => {
    if (observation.probe === 'running') return unmet('The probe still runs.', evidence(observation));
    if (observation.probe === 'ended' || observation.probe === 'absent') return met(evidence(observation));
    return unclear('Whether the probe has ended could not be told.', evidence(observation));
  },
};
