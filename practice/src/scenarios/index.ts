import type { ScenarioName } from '../demo/args.js';
import { badPatch } from './bad-patch.js';
import { crash } from './crash.js';
import { drift } from './drift.js';
import { happy } from './happy.js';
import { hypervisor } from './hypervisor.js';
import type { Scenario } from './scenario.js';

/** A fresh scenario of that name; a scenario may keep state during its one run. */
export const scenarios: Readonly<Record<ScenarioName, () => Scenario>> = {
  happy: () => happy,
  drift,
  'bad-patch': () => badPatch,
  crash,
  hypervisor: () => hypervisor,
};

export type { Ended, Scenario, Stage } from './scenario.js';
