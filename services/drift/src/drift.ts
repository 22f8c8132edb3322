import { ProjectionRunner, quietConnections, typeormTransactions } from '@understudy/event-log';
import type { Transport } from '@understudy/messaging';
import { ReadModels } from '@understudy/runtime';
import { DataSource } from 'typeorm';
import type { DriftConfig } from './config.js';
import { Clock } from './effects/clock.js';
import { INVENTORY_TOPIC, inventoryHandlers } from './inbound/events/inventory.js';
import { ORCHESTRATOR_TOPIC, orchestratorHandlers } from './inbound/events/orchestrator.js';
import { publish } from './outbound/publish.js';
import { entities } from './projections/findings/entities.js';
import { findingsProjection } from './projections/findings/projection.js';
import { Findings } from './projections/findings/queries.js';
import { Baselines } from './use-cases/baselines.js';
import { Ledgers } from './use-cases/ledgers.js';

export const DRIFT_TOPIC = 'understudy.drift.v1';
const DATA_SOURCE_POOL = 5;

/** The service put together: its use cases and queries, and what runs beside them. Doors call it; it knows no door. */
export class Drift {
  readonly ledgers: Ledgers;
  readonly baselines: Baselines;
  readonly findings: Findings;
  private readonly dataSource: DataSource;
  readonly readModels: ReadModels;
  private readonly clock: Clock;

  constructor(
    private readonly config: DriftConfig,
    transport: Transport,
  ) {
    const { store, runtime, connectionString: url } = config;
    this.dataSource = new DataSource({
      type: 'postgres',
      url,
      schema: store.schema,
      entities,
      poolSize: DATA_SOURCE_POOL,
      extra: quietConnections,
    });
    this.findings = new Findings(this.dataSource);
    const projection = new ProjectionRunner({
      store,
      projection: findingsProjection,
      transactions: typeormTransactions(this.dataSource),
    });
    this.readModels = new ReadModels(runtime, { 'drift.findings': projection });
    this.ledgers = new Ledgers(store, this.findings);
    this.baselines = new Baselines(store);
    this.clock = new Clock(store, this.ledgers, runtime.log, config.reassessIntervalMs);
    transport.produce({ service: 'drift', topic: DRIFT_TOPIC, publish, store });
    transport.consume({
      subscription: { group: 'drift', topic: INVENTORY_TOPIC, handlers: inventoryHandlers(this.ledgers) },
      store,
    });
    transport.consume({
      subscription: { group: 'drift', topic: ORCHESTRATOR_TOPIC, handlers: orchestratorHandlers(this.ledgers) },
      store,
    });
  }

  async start(): Promise<void> {
    await this.dataSource.initialize();
    this.readModels.start();
    this.clock.start();
  }

  async stop(): Promise<void> {
    await this.clock.stop();
    await this.readModels.stop();
    if (this.dataSource.isInitialized) await this.dataSource.destroy();
  }

  /** Judges every ledger now, e.g. because a baseline changed. */
  judgeSoon(): void {
    this.clock.wake();
  }
}
