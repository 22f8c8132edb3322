/** What every service that runs in a process of its own is told by its environment. Each service adds its own settings. */
import type { ServiceName } from '@understudy/event-log';
import { parsers, setting } from '../config.js';
import { listenSettings } from '../listen.js';
import { LOG_LEVELS } from '../logging.js';

/** Where each service listens unless told otherwise: four on one machine do not collide. */
const PORTS: Readonly<Record<ServiceName, { readonly rest: number; readonly grpc: number }>> = {
  inventory: { rest: 7401, grpc: 7411 },
  drift: { rest: 7402, grpc: 7412 },
  orchestrator: { rest: 7403, grpc: 7413 },
  notification: { rest: 7404, grpc: 7414 },
};

export const SASL_MECHANISMS = ['scram-sha-256', 'scram-sha-512'] as const;

/** How a process reaches Kafka; the same for the services and for the command that makes the topics. */
export const kafkaSettings = {
  kafkaBrokers: setting({
    name: 'KAFKA_BROKERS',
    describe: 'Brokers to begin with, as host:port, separated by commas',
    parse: (text) => {
      const brokers = parsers.list(text);
      if (brokers.length === 0 || brokers.some((broker) => !/^\S+:\d{1,5}$/.test(broker)))
        throw new Error('must be a list of host:port, separated by commas');
      return brokers;
    },
  }),
  kafkaTls: setting({
    name: 'KAFKA_TLS',
    describe: 'true = speak TLS with the brokers',
    default: 'false',
    parse: parsers.boolean,
  }),
  kafkaCa: setting({
    name: 'KAFKA_CA_FILE',
    describe: 'PEM file with the authority of the brokers’ certificates; empty = the ones that Node knows',
    default: '',
    parse: parsers.optional,
  }),
  kafkaCert: setting({
    name: 'KAFKA_CERT_FILE',
    describe: 'PEM file with this process’s own certificate, where the brokers know their clients by it; empty = none',
    default: '',
    parse: parsers.optional,
  }),
  kafkaKey: setting({
    name: 'KAFKA_KEY_FILE',
    describe: 'PEM file with the private key of KAFKA_CERT_FILE',
    default: '',
    parse: parsers.optional,
  }),
  kafkaUser: setting({
    name: 'KAFKA_USER',
    describe: 'Principal for SASL; empty = no SASL',
    default: '',
    parse: parsers.optional,
  }),
  kafkaPassword: setting({
    name: 'KAFKA_PASSWORD',
    describe: 'Password of the principal',
    default: '',
    parse: parsers.optional,
    secret: true,
  }),
  kafkaMechanism: setting({
    name: 'KAFKA_MECHANISM',
    describe: `SASL mechanism: ${SASL_MECHANISMS.join(', ')}`,
    default: 'scram-sha-512',
    parse: parsers.oneOf(...SASL_MECHANISMS),
  }),
};

/** For services that reach hosts and clusters. */
export const credentialSettings = {
  credentialsFile: setting({
    name: 'CREDENTIALS_FILE',
    describe:
      'File with the definitions of credentials, mode 0600 or 0640, shared by inventory and orchestrator; they hold no secret',
    parse: parsers.text,
  }),
  knownHostsFile: setting({
    name: 'KNOWN_HOSTS_FILE',
    describe:
      'File with the host keys of machines that are reached by SSH, as OpenSSH’s known_hosts; empty = only keys that a host’s access pins',
    default: '',
    parse: parsers.optional,
  }),
};

/** The settings that all services have, with this service's ports as defaults. */
export function processSettings(service: ServiceName) {
  return {
    storeUrl: setting({
      name: 'STORE_URL',
      describe: `PostgreSQL URL of the role understudy_${service}`,
      parse: parsers.url('postgresql', 'postgres'),
      secret: true,
    }),
    storeWaitMs: setting({
      name: 'STORE_WAIT_MS',
      describe: 'How long the start waits for a store that is away, in ms; not ready meanwhile',
      default: '300000',
      parse: parsers.integer(0, 3_600_000),
    }),
    ...listenSettings,
    port: setting({ ...listenSettings.port, default: String(PORTS[service].rest) }),
    grpcPort: setting({
      name: 'GRPC_PORT',
      describe: 'TCP port for gRPC, at the same address and with the same certificate; 0 = any free one',
      default: String(PORTS[service].grpc),
      parse: parsers.integer(0, 65_535),
    }),
    tokensFile: setting({
      name: 'TOKENS_FILE',
      describe:
        'File with the hashes of tokens, mode 0600 or 0640, shared by all services and replicas; read again when it changes',
      parse: parsers.text,
    }),
    checkpointKey: setting({
      name: 'CHECKPOINT_KEY_FILE',
      describe:
        'PEM file with the Ed25519 key that signs checkpoints of the log, mode 0600 or 0640, shared by replicas; empty = nothing is signed',
      default: '',
      parse: parsers.optional,
    }),
    checkpointFolder: setting({
      name: 'CHECKPOINT_FOLDER',
      describe: 'Folder of this replica where every signed checkpoint is exported to, a file per log; empty = none',
      default: '',
      parse: parsers.optional,
    }),
    ...kafkaSettings,
    instanceId: setting({
      name: 'INSTANCE_ID',
      describe:
        'Name of this replica, the same after a restart and no other’s (a pod’s name): it takes up its own work at once; empty = a new one at each start',
      default: '',
      parse: parsers.optional,
    }),
    shutdownLimitMs: setting({
      name: 'SHUTDOWN_LIMIT_MS',
      describe: 'How long a stopping process may finish what it has begun, in ms; then it hands over what is left and ends',
      default: '25000',
      parse: parsers.integer(1_000, 600_000),
    }),
    logLevel: setting({
      name: 'LOG_LEVEL',
      describe: `How much is logged: ${LOG_LEVELS.join(', ')}`,
      default: 'info',
      parse: parsers.oneOf(...LOG_LEVELS),
    }),
  };
}

export type ProcessSettingsTable = ReturnType<typeof processSettings>;
