import type { Store } from '@understudy/event-log';
import type { Runtime } from '@understudy/runtime';
import { parsers, setting } from '@understudy/runtime';

/** What a process hands to `DriftModule.forRoot`. Whoever opened the store closes it, after the module. */
export interface DriftConfig {
  readonly runtime: Runtime;
  readonly store: Store;
  /** URL of the service's role, for read models. Holds a secret: never log it. */
  readonly connectionString: string;
  /** Time between two rounds in which waivers lapse and baselines count, ms. */
  readonly reassessIntervalMs: number;
}

/** The default of the setting below, for a process that composes several services. */
export const DEFAULT_REASSESS_INTERVAL_MS = 60_000;

/** Settings of this service; the process adds those of store, runtime, listener and transport. */
export const driftSettings = {
  reassessIntervalMs: setting({
    name: 'REASSESS_INTERVAL_MS',
    describe: 'Time between two rounds in which waivers lapse and baselines count, in ms',
    default: String(DEFAULT_REASSESS_INTERVAL_MS),
    parse: parsers.integer(100, 3_600_000),
  }),
};
