import type { Store } from '@understudy/event-log';
import type { PlatformDriver } from '@understudy/platforms';
import type { Runtime, Settings } from '@understudy/runtime';
import { parsers, setting } from '@understudy/runtime';
import type { ObserverOptions } from './effects/observer.js';

/** What a process hands to `InventoryModule.forRoot`. Whoever opened the store closes it, after the module. */
export interface InventoryConfig {
  readonly runtime: Runtime;
  readonly store: Store;
  /** URL of the service's role, for read models. Holds a secret: never log it. */
  readonly connectionString: string;
  /** Drivers that this installation may use, by platform. */
  readonly platforms: Readonly<Record<string, PlatformDriver>>;
  /** Secret values among facts are compared by HMAC-SHA256 under this key; it stays the same over restarts and replicas. */
  readonly factsKey: string;
  readonly observer: ObserverOptions;
}

const LEAST_KEY_CHARACTERS = 32;

/** Settings of this service; the process adds those of store, runtime, listener and transport. */
export const inventorySettings = {
  factsKey: setting({
    name: 'FACTS_KEY',
    describe: 'Key under which secret values are compared, at least 32 characters; the same for every replica and over restarts',
    secret: true,
    parse: (text) => {
      if (text.length < LEAST_KEY_CHARACTERS) throw new Error(`must have at least ${LEAST_KEY_CHARACTERS} characters`);
      return text;
    },
  }),
  observeIntervalMs: setting({
    name: 'OBSERVE_INTERVAL_MS',
    describe: 'Time between two looks at a cluster, in ms',
    default: '10000',
    parse: parsers.integer(100, 3_600_000),
  }),
  factsIntervalMs: setting({
    name: 'FACTS_INTERVAL_MS',
    describe: 'Time between two collections of facts by schedule, in ms',
    default: '900000',
    parse: parsers.integer(1_000, 86_400_000),
  }),
  observeConcurrency: setting({
    name: 'OBSERVE_CONCURRENCY',
    describe: 'Clusters looked at at the same time',
    default: '4',
    parse: parsers.integer(1, 64),
  }),
  lookDeadlineMs: setting({
    name: 'OBSERVE_DEADLINE_MS',
    describe: 'Longest time for one look, in ms',
    default: '8000',
    parse: parsers.integer(100, 60_000),
  }),
  factsDeadlineMs: setting({
    name: 'FACTS_DEADLINE_MS',
    describe: 'Longest time for one collection of facts, in ms',
    default: '20000',
    parse: parsers.integer(100, 120_000),
  }),
};

/** The part of the settings that says how clusters are looked at. */
export function observerOf(settings: Omit<Settings<typeof inventorySettings>, 'factsKey'>): ObserverOptions {
  const { observeIntervalMs, factsIntervalMs, observeConcurrency, lookDeadlineMs, factsDeadlineMs } = settings;
  return { intervalMs: observeIntervalMs, factsIntervalMs, concurrency: observeConcurrency, lookDeadlineMs, factsDeadlineMs };
}

/** The defaults of the settings above, for a process that composes several services. */
export const defaultObserver: ObserverOptions = {
  intervalMs: 10_000,
  factsIntervalMs: 900_000,
  concurrency: 4,
  lookDeadlineMs: 8_000,
  factsDeadlineMs: 20_000,
};
