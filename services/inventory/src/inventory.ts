import { createHmac } from 'node:crypto';
import { ProjectionRunner, quietConnections, typeormTransactions } from '@understudy/event-log';
import { patchSourceNames, SshLinks, sshTools } from '@understudy/hosts';
import type { Transport } from '@understudy/messaging';
import { ReadModels, type CredentialStore } from '@understudy/runtime';
import { DataSource } from 'typeorm';
import type { InventoryConfig } from './config.js';
import { FactsQueue } from './effects/facts-queue.js';
import { Observer } from './effects/observer.js';
import { Sight } from './effects/sight.js';
import { ORCHESTRATOR_TOPIC, orchestratorHandlers } from './inbound/events/orchestrator.js';
import { publish } from './outbound/publish.js';
import { entities } from './projections/catalogue/entities.js';
import { catalogueProjection } from './projections/catalogue/projection.js';
import { Catalogue } from './projections/catalogue/queries.js';
import { Clusters } from './use-cases/clusters.js';
import { States } from './use-cases/states.js';

export const INVENTORY_TOPIC = 'understudy.inventory.v1';
/** How practice hosts say how their reboot is played; no patch source, and part of the same document. */
const REBOOT_SETTINGS = 'reboot';
const DATA_SOURCE_POOL = 5;

/** The service put together: its use cases and queries, and what runs beside them. Doors call it; it knows no door. */
export class Inventory {
  readonly clusters: Clusters;
  readonly catalogue: Catalogue;
  readonly states: States;
  readonly credentials: CredentialStore;
  private readonly dataSource: DataSource;
  private readonly ssh: SshLinks;
  readonly readModels: ReadModels;
  private readonly observer: Observer;

  constructor(
    private readonly config: InventoryConfig,
    transport: Transport,
  ) {
    const { store, runtime, platforms } = config;
    const { connectionString: url } = config;
    this.dataSource = new DataSource({
      type: 'postgres',
      url,
      schema: store.schema,
      entities,
      poolSize: DATA_SOURCE_POOL,
      extra: quietConnections,
    });
    this.credentials = runtime.credentials;
    this.catalogue = new Catalogue(this.dataSource);
    this.states = new States(store);
    const projection = new ProjectionRunner({
      store,
      projection: catalogueProjection,
      transactions: typeormTransactions(this.dataSource),
    });
    this.readModels = new ReadModels(runtime, { 'inventory.catalogue': projection });
    const keyedHash = (value: string): string => createHmac('sha256', config.factsKey).update(value).digest('base64url');
    this.ssh = new SshLinks(sshTools(runtime.credentials, runtime.knownHostsFile));
    const { credentials, ssh } = this;
    const sight = new Sight({ platforms, credentials, ssh, keyedHash, now: () => store.now() });
    this.observer = new Observer(
      { store, dataSource: this.dataSource, sight, states: this.states, log: runtime.log },
      config.observer,
    );
    const offered = {
      platforms: Object.fromEntries(Object.values(platforms).map((driver) => [driver.platform, driver.settings])),
      patchSources: [...patchSourceNames, REBOOT_SETTINGS],
      credentials: this.credentials,
    };
    this.clusters = new Clusters(store, offered, (definition) => sight.look(definition, config.observer.lookDeadlineMs));
    const queue = new FactsQueue(this.dataSource);
    const handlers = orchestratorHandlers(store, queue, () => this.observer.wake());
    transport.produce({ service: 'inventory', topic: INVENTORY_TOPIC, publish, store });
    transport.consume({ subscription: { group: 'inventory', topic: ORCHESTRATOR_TOPIC, handlers }, store });
  }

  async start(): Promise<void> {
    await this.dataSource.initialize();
    this.readModels.start();
    this.observer.start();
  }

  async stop(): Promise<void> {
    await this.observer.stop();
    this.ssh.close();
    await this.readModels.stop();
    if (this.dataSource.isInitialized) await this.dataSource.destroy();
  }

  /** Looks at a cluster now and not at its next turn. */
  lookSoon(cluster: string): void {
    this.observer.wake(cluster);
  }
}
