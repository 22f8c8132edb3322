/** What every process measures of its store and its transport, beside its requests. */
import { subscribe } from 'node:diagnostics_channel';
import type { Store } from '@understudy/event-log';
import type { Transport } from '@understudy/messaging';
import { Gauge, Histogram } from 'prom-client';
import { inAMoment } from '../in-a-moment.js';
import type { Metrics } from '../metrics.js';

const APPEND_BUCKETS_SECONDS = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30];
const BATCH_BUCKETS = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000];

/** Registers the figures of one service's store and transport. Once per process and service. */
export function processMetrics(metrics: Metrics, store: Store, transport: Transport): void {
  const registers = [metrics.registry];
  appendMetrics(metrics, store.schema);
  new Gauge({
    name: 'understudy_transport_lag_events',
    help: 'Events that a group (a relay or a consumer) is behind, by topic.',
    labelNames: ['group', 'topic'],
    registers,
    async collect() {
      this.reset();
      for (const { group, topic, events } of (await inAMoment(transport.lag())) ?? []) this.set({ group, topic }, events);
    },
  });
  new Gauge({
    name: 'understudy_dead_letters',
    help: 'Messages that this service could not take and that wait for a person.',
    registers,
    async collect() {
      const text = `select count(*) as n from ${store.schema}.dead_letter`;
      const counted = await inAMoment(store.pool.query<{ n: string }>(text));
      if (counted === undefined) this.remove();
      else this.set(Number(counted.rows[0]?.n ?? 0));
    },
  });
  leaseMetrics(metrics, store);
}

function leaseMetrics(metrics: Metrics, store: Store): void {
  const registers = [metrics.registry];
  new Gauge({
    name: 'understudy_lease_remaining_seconds',
    help: 'Time for which this process is certain to hold its lease; 0 = it has ended.',
    registers,
    collect() {
      this.set(store.leaseRemainingMs() / 1_000);
    },
  });
  new Gauge({
    name: 'understudy_leases',
    help: 'Leases of replicas of this service in the store, alive or ended.',
    labelNames: ['state'],
    registers,
    async collect() {
      this.reset();
      const leases = await inAMoment(store.leases());
      if (leases === undefined) return;
      const alive = leases.filter((lease) => lease.alive).length;
      this.set({ state: 'alive' }, alive);
      this.set({ state: 'ended' }, leases.length - alive);
    },
  });
}

/** What the log's writer publishes after each flush, on the diagnostics channel `understudy:append`. */
interface Flush {
  readonly schema: string;
  readonly events: number;
  /** From the call to the answer, one per append, ms. */
  readonly latenciesMs: readonly number[];
}

function appendMetrics(metrics: Metrics, schema: string): void {
  const registers = [metrics.registry];
  const latency = new Histogram({
    name: 'understudy_append_duration_seconds',
    help: 'Time from asking for an append to its answer, waiting for its turn included.',
    buckets: APPEND_BUCKETS_SECONDS,
    registers,
  });
  const batch = new Histogram({
    name: 'understudy_append_batch_events',
    help: 'Events in one flush of the writer.',
    buckets: BATCH_BUCKETS,
    registers,
  });
  subscribe('understudy:append', (message) => {
    const flush = message as Flush;
    if (flush.schema !== schema) return;
    batch.observe(flush.events);
    for (const latencyMs of flush.latenciesMs) latency.observe(latencyMs / 1_000);
  });
}
