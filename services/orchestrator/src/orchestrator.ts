import { ProjectionRunner, quietConnections, typeormTransactions, type Projection } from '@understudy/event-log';
import { patchSourceNames, type SshLinks } from '@understudy/hosts';
import type { Transport } from '@understudy/messaging';
import { newId, ReadModels } from '@understudy/runtime';
import { DataSource, type EntityManager } from 'typeorm';
import type { OrchestratorConfig } from './config.js';
import { openEffects } from './effects/effects.js';
import type { Targets } from './effects/targets.js';
import { RolloutStore } from './handle.js';
import { changeHandlers, driftHandlers } from './inbound/events/handlers.js';
import { publish } from './outbound/publish.js';
import { Owner } from './owner/owner.js';
import { WindowReactor } from './owner/reactor.js';
import type { Peers } from './peers.js';
import { Directory } from './projections/directory.js';
import { documentsProjection, StoredDocuments } from './projections/documents/documents.js';
import { entities } from './projections/entities.js';
import { PastTests } from './projections/past-tests.js';
import { Rollouts, rolloutsProjection } from './projections/rollouts/rollouts.js';
import { WindowList, windowsProjection } from './projections/windows/windows.js';
import { Documents } from './use-cases/documents.js';
import { Fleet } from './use-cases/fleet.js';
import { RolloutCommands } from './use-cases/rollout-commands.js';
import { RolloutQueries } from './use-cases/rollout-queries.js';
import { Windows } from './use-cases/windows.js';

export const ORCHESTRATOR_TOPIC = 'understudy.orchestrator.v1';
const DATA_SOURCE_POOL = 5;
const START_LIMIT_MS = 60_000;
/** An order to the whole fleet waits so long for a complete list; then it goes out to what is known. */
const FLEET_LIST_LIMIT_MS = 3_000;

/** The service put together: its use cases and queries, and what runs beside them. Doors call it; it knows no door. */
export class Orchestrator {
  readonly windows: Windows;
  readonly fleet: Fleet;
  readonly documents: Documents;
  readonly commands: RolloutCommands;
  readonly queries: RolloutQueries;
  readonly lists: { readonly rollouts: Rollouts; readonly windows: WindowList; readonly documents: StoredDocuments };
  private readonly dataSource: DataSource;
  private readonly readModels: ReadModels;
  private readonly ssh: SshLinks;
  private readonly targets: Targets;
  private readonly owner: Owner;
  private readonly reactor: WindowReactor;

  constructor(
    private readonly config: OrchestratorConfig,
    transport: Transport,
    peers: Peers,
  ) {
    const { store, runtime, connectionString: url } = config;
    const now = (): number => store.now();
    this.dataSource = new DataSource({
      type: 'postgres',
      url,
      schema: store.schema,
      entities,
      poolSize: DATA_SOURCE_POOL,
      extra: quietConnections,
    });
    this.lists = {
      rollouts: new Rollouts(this.dataSource),
      windows: new WindowList(this.dataSource),
      documents: new StoredDocuments(this.dataSource),
    };
    this.readModels = new ReadModels(runtime, {
      'orchestrator.rollouts': this.runner(rolloutsProjection),
      'orchestrator.windows': this.runner(windowsProjection),
      'orchestrator.documents': this.runner(documentsProjection),
    });
    const directory = new Directory(this.dataSource);
    const rollouts = new RolloutStore(store);
    const past = new PastTests(store.log, this.lists.rollouts);
    const { ssh, targets, planner, ...drive } = openEffects({ config, peers, rollouts, directory, past });
    this.ssh = ssh;
    this.targets = targets;
    this.documents = new Documents(store.log, patchSourceNames, now);
    this.windows = new Windows({ log: store.log, rollouts, documents: this.documents, directory, planner, now });
    this.fleet = new Fleet({ windows: this.windows, unfinished: () => this.unfinishedWindows() });
    this.commands = new RolloutCommands(rollouts, this.windows, now);
    this.queries = new RolloutQueries(store);
    const tools = { store, rollouts, log: runtime.log };
    const unfinishedRollouts = (position: number): Promise<readonly string[]> =>
      this.upTo(position, () => this.lists.rollouts.unfinished());
    const unfinishedWindows = (position: number): Promise<readonly string[]> =>
      this.upTo(position, () => this.lists.windows.unfinished());
    this.owner = new Owner({
      ...tools,
      metrics: runtime.metrics,
      drive: { ...drive, planner, newId, hosts: targets },
      unfinished: unfinishedRollouts,
    });
    this.reactor = new WindowReactor({ ...tools, windows: this.windows, planner, directory, unfinished: unfinishedWindows });
    this.connect(transport, directory, rollouts);
  }

  /** What this service publishes, and what it does with what it hears. */
  private connect(transport: Transport, directory: Directory, rollouts: RolloutStore): void {
    const { store } = this.config;
    const rolloutsOfWindow = async (windowId: string): Promise<readonly string[]> =>
      this.windows.get(windowId).then(
        ({ window }) => window.rollouts.map((rollout) => rollout.id),
        () => [],
      );
    const messages = { rollouts, rolloutsOfWindow, now: () => store.now() };
    transport.produce({ service: 'orchestrator', topic: ORCHESTRATOR_TOPIC, publish, store });
    transport.consume({
      subscription: { group: 'orchestrator', topic: 'understudy.inventory.v1', handlers: directory.handlers() },
      store,
    });
    transport.consume({
      subscription: {
        group: 'orchestrator',
        topic: 'understudy.drift.v1',
        handlers: { ...driftHandlers(messages), ...directory.fidelityHandlers() },
      },
      store,
    });
    transport.consume({
      subscription: { group: 'orchestrator', topic: 'understudy.notification.v1', handlers: changeHandlers(messages) },
      store,
    });
  }

  /** Takes up what was unfinished when the process ended the last time. */
  async start(): Promise<void> {
    await this.dataSource.initialize();
    this.readModels.start();
    await this.owner.start();
    await this.reactor.start();
  }

  /** Stops before the next act of each rollout; a verb that must not stop goes on to a state in which one node serves. */
  async stop(): Promise<void> {
    await this.reactor.stop();
    await this.owner.stop();
    await this.readModels.stop();
    await this.targets.close();
    this.ssh.close();
    if (this.dataSource.isInitialized) await this.dataSource.destroy();
  }

  private runner(projection: Projection<EntityManager>): ProjectionRunner<EntityManager> {
    return new ProjectionRunner({ store: this.config.store, projection, transactions: typeormTransactions(this.dataSource) });
  }

  private async unfinishedWindows(): Promise<{ readonly ids: readonly string[]; readonly complete: boolean }> {
    const complete = await this.readModels.upTo(FLEET_LIST_LIMIT_MS).then(
      () => true,
      () => false,
    );
    return { ids: await this.lists.windows.unfinished(), complete };
  }

  /** A list that is complete up to a log position: the read models are waited for first. */
  private async upTo<T>(position: number, list: () => Promise<T>): Promise<T> {
    await this.readModels.upTo(START_LIMIT_MS, position);
    return list();
  }
}
