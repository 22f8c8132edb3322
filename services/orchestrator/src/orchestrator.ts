import { readFile } from 'node:fs/promises';
import type { ClusterDefinition } from '@understudy/cluster';
import { ProjectionRunner, typeormTransactions, type Projection } from '@understudy/event-log';
import { openHosts, patchSourceNames, patchSources, requestReboot } from '@understudy/hosts';
import type { Transport } from '@understudy/messaging';
import { createProbe } from '@understudy/probe';
import { newId } from '@understudy/runtime';
import { DataSource, type EntityManager } from 'typeorm';
import type { OrchestratorConfig } from './config.js';
import { checkRunner } from './effects/check.js';
import { GateInputCollector, type OwnIdentities } from './effects/gate-inputs.js';
import { Looker } from './effects/look.js';
import { Neighbourhood } from './effects/neighbours.js';
import { Performer } from './effects/perform.js';
import { Targets } from './effects/targets.js';
import { RolloutStore } from './handle.js';
import { changeHandlers, driftHandlers } from './inbound/events/handlers.js';
import { publish } from './outbound/publish.js';
import { Owner } from './owner/owner.js';
import { WindowReactor } from './owner/reactor.js';
import type { Peers } from './peers.js';
import { Planner } from './planner.js';
import { Directory } from './projections/directory.js';
import { documentsProjection, StoredDocuments } from './projections/documents/documents.js';
import { entities } from './projections/entities.js';
import { PastTests } from './projections/past-tests.js';
import { Rollouts, rolloutsProjection } from './projections/rollouts/rollouts.js';
import { WindowList, windowsProjection } from './projections/windows/windows.js';
import { Documents } from './use-cases/documents.js';
import { RolloutCommands } from './use-cases/rollout-commands.js';
import { RolloutQueries } from './use-cases/rollout-queries.js';
import { Windows } from './use-cases/windows.js';

export const ORCHESTRATOR_TOPIC = 'understudy.orchestrator.v1';
const DATA_SOURCE_POOL = 5;
const READ_YOUR_WRITES_MS = 2_000;
const START_LIMIT_MS = 60_000;

/** The service put together: its use cases and queries, and what runs beside them. Doors call it; it knows no door. */
export class Orchestrator {
  readonly windows: Windows;
  readonly documents: Documents;
  readonly commands: RolloutCommands;
  readonly queries: RolloutQueries;
  readonly lists: { readonly rollouts: Rollouts; readonly windows: WindowList; readonly documents: StoredDocuments };
  private readonly dataSource: DataSource;
  private readonly projections: readonly ProjectionRunner<EntityManager>[];
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
    this.dataSource = new DataSource({ type: 'postgres', url, schema: store.schema, entities, poolSize: DATA_SOURCE_POOL });
    this.lists = {
      rollouts: new Rollouts(this.dataSource),
      windows: new WindowList(this.dataSource),
      documents: new StoredDocuments(this.dataSource),
    };
    this.projections = [rolloutsProjection, windowsProjection, documentsProjection].map((projection) => this.runner(projection));
    this.targets = openTargets(config);
    const directory = new Directory(this.dataSource);
    const rollouts = new RolloutStore(store);
    const patchSource = patchSources(config.commandsFolder === undefined ? {} : { commandsFolder: config.commandsFolder });
    const past = new PastTests(store.log, this.lists.rollouts);
    const planner = new Planner({ targets: this.targets, peers, patchSource, switchoverResult: past.switchoverResult, now });
    const hood = new Neighbourhood(directory, this.targets);
    const neighbours = (definition: ClusterDefinition): ReturnType<Neighbourhood['of']> => hood.of(definition);
    const probe = createProbe();
    this.documents = new Documents(store.log, patchSourceNames, now);
    this.windows = new Windows({ log: store.log, rollouts, documents: this.documents, directory, planner, now });
    this.commands = new RolloutCommands(rollouts, now);
    this.queries = new RolloutQueries(store.log);
    const gateInputs = new GateInputCollector({
      targets: this.targets,
      peers,
      patchSource,
      neighbours,
      fingerprint: (open, snapshot) => planner.fingerprint(open, snapshot),
      claimedBy: (host) => rollouts.claimedBy(host),
      rehearsal: (definition) => past.rehearsal(definition),
      own: () => this.ownIdentities(),
    });
    const looker = new Looker({
      log: runtime.log,
      targets: this.targets,
      patchSource,
      probe,
      neighbours,
      runCheck: checkRunner(config.commandsFolder),
    });
    const performer = new Performer({ targets: this.targets, patchSource, reboot: requestReboot, probe });
    const tools = { store, rollouts, log: runtime.log };
    const raise = (definition: ClusterDefinition, fence: Parameters<Targets['raise']>[1]): ReturnType<Targets['raise']> => this.targets.raise(definition, fence);
    this.owner = new Owner({
      ...tools,
      drive: { looker, performer, gateInputs, raise, newId },
      unfinished: (position) => this.upTo(position, () => this.lists.rollouts.unfinished()),
    });
    this.reactor = new WindowReactor({
      ...tools,
      windows: this.windows,
      planner,
      directory,
      unfinished: (position) => this.upTo(position, () => this.lists.windows.unfinished()),
    });
    const rolloutsOfWindow = async (windowId: string): Promise<readonly string[]> =>
      this.windows.get(windowId).then(
        ({ window }) => window.rollouts.map((rollout) => rollout.id),
        () => [],
      );
    const messages = { rollouts, rolloutsOfWindow, now };
    transport.produce({ service: 'orchestrator', topic: ORCHESTRATOR_TOPIC, publish, store });
    transport.consume({ subscription: { group: 'orchestrator', topic: 'understudy.inventory.v1', handlers: directory.handlers() }, store });
    transport.consume({ subscription: { group: 'orchestrator', topic: 'understudy.drift.v1', handlers: { ...driftHandlers(messages), ...directory.fidelityHandlers() } }, store });
    transport.consume({ subscription: { group: 'orchestrator', topic: 'understudy.notification.v1', handlers: changeHandlers(messages) }, store });
  }

  /** Takes up what was unfinished when the process ended the last time. */
  async start(): Promise<void> {
    await this.dataSource.initialize();
    for (const projection of this.projections) projection.start();
    this.config.runtime.health.register('orchestrator.projections', async () => {
      const statuses = await Promise.all(this.projections.map((projection) => projection.status()));
      const problem = statuses.find((status) => status.problem !== undefined)?.problem;
      return problem === undefined ? { status: 'ok' } : { status: 'degraded', reason: problem };
    });
    await this.owner.start();
    await this.reactor.start();
  }

  /** Stops before the next act of each rollout; a verb that must not stop goes on to a state in which one node serves. */
  async stop(): Promise<void> {
    await this.reactor.stop();
    await this.owner.stop();
    await Promise.all(this.projections.map((projection) => projection.stop()));
    await this.targets.close();
    if (this.dataSource.isInitialized) await this.dataSource.destroy();
  }

  /** Waits until lists show what was just written; a slow projection delays nobody for long. */
  async written(): Promise<void> {
    await Promise.all(this.projections.map((projection) => projection.caughtUp(READ_YOUR_WRITES_MS).catch(() => undefined)));
  }

  private runner(projection: Projection<EntityManager>): ProjectionRunner<EntityManager> {
    return new ProjectionRunner({ store: this.config.store, projection, transactions: typeormTransactions(this.dataSource) });
  }

  /** A list that is complete up to a log position: the read models are waited for first. */
  private async upTo<T>(position: number, list: () => Promise<T>): Promise<T> {
    await Promise.all(this.projections.map((projection) => projection.caughtUp(START_LIMIT_MS, position)));
    return list();
  }

  private async ownIdentities(): Promise<OwnIdentities> {
    const { rows } = await this.config.store.pool.query<{ id: string }>('select system_identifier::text as id from pg_control_system()');
    const machineId = await readFile('/etc/machine-id', 'utf8').catch(() => '');
    return { systemIdentifiers: rows.map((row) => row.id), machineIds: machineId.trim() === '' ? [] : [machineId.trim()] };
  }
}

function openTargets({ platforms, runtime, store }: OrchestratorConfig): Targets {
  return new Targets({
    driver: (platform) => {
      const driver = Object.hasOwn(platforms, platform) ? platforms[platform] : undefined;
      if (!driver) throw new Error(`This installation has no driver for ${platform}; it has ${Object.keys(platforms).join(', ')}.`);
      return driver;
    },
    openHosts: (definition) => openHosts(definition.hosts),
    secret: (name, hosts) => {
      const { user = '', secret = '' } = runtime.credentials.resolve(name, hosts);
      return { user, password: secret };
    },
    now: () => store.now(),
  });
}
