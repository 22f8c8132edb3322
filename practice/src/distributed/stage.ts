/**
 * The distributed shape on one machine, for development and for tests: a real PostgreSQL, a real Kafka that knows who may write
 * which topic, and the four services as processes of their own, each with a database role, a Kafka principal and ports of its own.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startEmbeddedPostgres, TokenStore, writePrivateFile, type EmbeddedPostgres } from '@understudy/runtime';
import { startBroker, type Broker } from '../broker/index.js';
import { ServiceProcess, SERVICES, type Service } from './service-process.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const COMMAND_WITHIN_MS = 120_000;
const PASSWORD_BYTES = 24;
/** Names in the process's environment whose passwords `migrate --roles` sets. */
const ROLES = ['owner', ...SERVICES] as const;

const run = promisify(execFile);

export interface StageOptions {
  /** Empty or absent; everything lies in it. Its parents must be searchable by PostgreSQL's user. */
  readonly folder: string;
  readonly signal: AbortSignal;
  /** What is promised to be undone; called in the order of starting. */
  readonly defer: (what: string, undo: () => Promise<void>) => void;
  readonly say?: (text: string) => void;
  /** Arguments for Node before each service's program, e.g. `--import` of a preload. */
  readonly nodeArguments?: readonly string[];
  /** Further settings by service. */
  readonly settings?: Readonly<Partial<Record<Service, Readonly<Record<string, string>>>>>;
}

/** What runs, and how to reach it. */
export interface Stage {
  readonly folder: string;
  /** Holds the services' logs; after a restart the new one. */
  readonly postgres: EmbeddedPostgres;
  readonly broker: Broker;
  /** The first process of each service. */
  readonly services: Readonly<Record<Service, ServiceProcess>>;
  /** File with an admin's token. */
  readonly tokenFile: string;
  readonly token: string;
  /** Another replica, not started: `orchestrator-2`. */
  replica(service: Service, name: string, nodeArguments?: readonly string[]): ServiceProcess;
  /** Starts PostgreSQL again on its data and at its port, after it was killed. */
  restartPostgres(): Promise<void>;
}

interface Secrets {
  readonly roles: Readonly<Record<string, string>>;
  readonly principals: Readonly<Record<Service, string>>;
  readonly factsKey: string;
  readonly peersToken: string;
}

/** Starts all of it and returns when the four serve. @throws with nothing promised that `defer` was not told of. */
export async function startStage(options: StageOptions): Promise<Stage> {
  const { folder, signal, defer, say = () => undefined } = options;
  mkdirSync(join(folder, 'logs'), { recursive: true, mode: 0o711 });
  mkdirSync(join(folder, 'secrets'), { recursive: true, mode: 0o700 });
  const tokenFile = join(folder, 'secrets', 'admin-token');
  const principals = Object.fromEntries(SERVICES.map((service) => [service, password()])) as Record<Service, string>;
  const starting = [startStore(options), startBus(options, principals)] as const;
  await Promise.allSettled(starting);
  const [store, broker] = await Promise.all(starting);
  const { postgres } = store;
  signal.throwIfAborted();
  say(`PostgreSQL ${postgres.version} at 127.0.0.1:${postgres.port}, Kafka at ${broker.address}`);
  const tokens = new TokenStore(tokensFileOf(folder));
  await tokens.ensureFirstAdmin(tokenFile);
  const { token: peersToken } = await tokens.create({ subject: 'orchestrator', role: 'viewer' });
  const roles = Object.fromEntries(ROLES.map((role) => [role, password()]));
  const secrets: Secrets = { roles, principals, factsKey: password(), peersToken };
  await Promise.all([migrated(postgres, secrets), topicsMade(broker)]);
  signal.throwIfAborted();
  say('schemas migrated by their owner, topics and ACLs made');
  const environment = environments({ folder, postgres, broker, secrets, options });
  const make = (service: Service, name: string, nodeArguments = options.nodeArguments ?? []): ServiceProcess => {
    const replica = new ServiceProcess({
      service,
      name,
      env: environment(service, services),
      logFile: join(folder, 'logs', `${name}.log`),
      nodeArguments,
    });
    defer(name, async () => void (await replica.stop()));
    return replica;
  };
  const services: Partial<Record<Service, ServiceProcess>> = {};
  const begin = async (service: Service): Promise<void> => {
    const started = make(service, `${service}-1`);
    services[service] = started;
    await started.start(signal);
  };
  await Promise.all([begin('inventory'), begin('drift'), begin('notification')]);
  await begin('orchestrator');
  return {
    folder,
    get postgres() {
      return store.postgres;
    },
    broker,
    services: services as Record<Service, ServiceProcess>,
    tokenFile,
    token: readFileSync(tokenFile, 'utf8').trim(),
    replica: make,
    restartPostgres: () => store.restart(),
  };
}

/** PostgreSQL that may be killed and started again. */
interface Store {
  readonly postgres: EmbeddedPostgres;
  restart(): Promise<void>;
}

async function startStore({ folder, defer }: StageOptions): Promise<Store> {
  const dataFolder = join(folder, 'store');
  let postgres = await startEmbeddedPostgres({ dataFolder });
  defer('PostgreSQL', () => postgres.stop());
  return {
    get postgres() {
      return postgres;
    },
    restart: async () => {
      await postgres.ended;
      await postgres.stop(); // gives its folder back
      postgres = await startEmbeddedPostgres({ dataFolder, port: postgres.port });
    },
  };
}

async function startBus({ folder, defer }: StageOptions, users: Readonly<Record<string, string>>): Promise<Broker> {
  const broker = await startBroker({ folder: join(folder, 'kafka'), authorize: true, secure: { users } });
  defer('Kafka', () => broker.stop());
  return broker;
}

/** The same command as an administrator gives. */
async function migrated(postgres: EmbeddedPostgres, { roles }: Secrets): Promise<void> {
  const passwords = Object.fromEntries(ROLES.map((role) => [`${role.toUpperCase()}_PASSWORD`, roles[role] ?? '']));
  await command('services/standalone/dist/migrate.js', ['--roles'], {
    OWNER_URL: postgres.adminConnectionString(),
    ...passwords,
  });
}

async function topicsMade(broker: Broker): Promise<void> {
  const admin = broker.client('topics').sasl;
  await command('tools/topics.mjs', ['--apply'], kafkaOf(broker, admin?.username ?? '', admin?.password ?? ''));
}

async function command(program: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<void> {
  const options = { env: { PATH: process.env['PATH'] ?? '', ...env }, timeout: COMMAND_WITHIN_MS };
  await run(process.execPath, [join(ROOT, program), ...args], options).catch((error: unknown) => {
    const { stdout = '', stderr = '' } = error as { readonly stdout?: string; readonly stderr?: string };
    throw new Error(`${program} ${args.join(' ')} failed:\n${stdout}${stderr}`.trim(), { cause: error });
  });
}

function kafkaOf(broker: Broker, user: string, secret: string): Readonly<Record<string, string>> {
  return {
    KAFKA_BROKERS: broker.address,
    KAFKA_TLS: 'true',
    KAFKA_CA_FILE: broker.caFile ?? '',
    KAFKA_USER: user,
    KAFKA_PASSWORD: secret,
  };
}

interface Ground {
  readonly folder: string;
  readonly postgres: EmbeddedPostgres;
  readonly broker: Broker;
  readonly secrets: Secrets;
  readonly options: StageOptions;
}

type Started = Readonly<Partial<Record<Service, ServiceProcess>>>;

function environments({ folder, postgres, broker, secrets, options }: Ground) {
  return (service: Service, started: Started): Readonly<Record<string, string>> => {
    const url = new URL(postgres.adminConnectionString());
    url.username = `understudy_${service}`;
    url.password = secrets.roles[service] ?? '';
    return {
      STORE_URL: url.href,
      TOKENS_FILE: tokensFileOf(folder),
      CREDENTIALS_FILE: join(folder, 'secrets', 'credentials.json'),
      ...kafkaOf(broker, service, secrets.principals[service]),
      ...(service === 'inventory' ? { FACTS_KEY: secrets.factsKey } : {}),
      ...(service === 'orchestrator' ? peersOf(started, secrets.peersToken) : {}),
      ...options.settings?.[service],
    };
  };
}

/** The orchestrator is started last: the others have addresses by then. */
function peersOf({ inventory, drift, notification }: Started, token: string): Readonly<Record<string, string>> {
  if (!inventory || !drift || !notification) throw new Error('The orchestrator is started after those that it asks.');
  return { PEERS_TOKEN: token, INVENTORY_GRPC: inventory.grpc, DRIFT_GRPC: drift.grpc, NOTIFICATION_GRPC: notification.grpc };
}

function tokensFileOf(folder: string): string {
  return join(folder, 'secrets', 'tokens.json');
}

function password(): string {
  return randomBytes(PASSWORD_BYTES).toString('base64url');
}

/** Writes where everything is, for tools; only its owner can read it. */
export function writeAddresses(stage: Stage, file: string): void {
  const services = Object.values(stage.services).map(({ name, pid, rest, grpc }) => ({ name, pid, rest, grpc }));
  const { tokenFile, broker, postgres } = stage;
  writePrivateFile(
    file,
    `${JSON.stringify({ tokenFile, kafka: broker.address, postgresPort: postgres.port, services }, null, 2)}\n`,
  );
}
