import type { StepKind } from '../plan.js';
import { check, pause, postflight, preflight, soak, validate } from './look.js';
import { drain, join, release } from './member.js';
import { patch, reboot, unpatch } from './patch.js';
import { start, stop } from './service.js';
import { startProbe, stopProbe } from './probe.js';
import type { StepRules } from './step.js';
import { switchover } from './switchover.js';

/** Every kind of step there is. A new kind is one entry here and one in `StepKind`. */
export const STEP_RULES: Readonly<Record<StepKind, StepRules>> = {
  preflight,
  'start-probe': startProbe,
  switchover,
  validate,
  drain,
  patch,
  reboot,
  join,
  soak,
  release,
  check,
  pause,
  postflight,
  'stop-probe': stopProbe,
  unpatch,
  stop,
  start,
};

export type { Look, StepRules } from './step.js';
