/** `server.properties` of one broker that is its own controller. Form and meaning: Apache Kafka 4.x documentation, "Configuration". */

export interface BrokerShape {
  /** Where the log segments lie. */
  readonly logFolder: string;
  readonly port: number;
  readonly controllerPort: number;
  /** TLS with SCRAM for clients instead of plaintext. */
  readonly secure?: {
    /** PEM with the private key and the certificate. */
    readonly keystoreFile: string;
    /** PEM with the certificate that signs it. */
    readonly caFile: string;
    readonly admin: { readonly username: string; readonly password: string };
  };
  /** Refuses what no ACL allows. */
  readonly authorize: boolean;
  readonly settings: Readonly<Record<string, string>>;
}

const BASE: Readonly<Record<string, string>> = {
  'process.roles': 'broker,controller',
  'node.id': '1',
  'controller.listener.names': 'CONTROLLER',
  'auto.create.topics.enable': 'false',
  'offsets.topic.replication.factor': '1',
  'offsets.topic.num.partitions': '4',
  'transaction.state.log.replication.factor': '1',
  'transaction.state.log.min.isr': '1',
  'transaction.state.log.num.partitions': '4',
  'share.coordinator.state.topic.replication.factor': '1',
  'share.coordinator.state.topic.min.isr': '1',
  'group.initial.rebalance.delay.ms': '0',
  // A killed broker may come back when its old registration has ended: after 4 s, not 9.
  'broker.heartbeat.interval.ms': '1000',
  'broker.session.timeout.ms': '4000',
};

/** The text of `server.properties`. The controller's listener is loopback only, and the broker itself is its one client. */
export function serverProperties(shape: BrokerShape): string {
  const { logFolder, port, controllerPort, authorize } = shape;
  const entries: Record<string, string> = {
    ...BASE,
    'log.dirs': logFolder,
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    ...listeners(shape, port, controllerPort),
    ...(authorize
      ? {
          'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
          'allow.everyone.if.no.acl.found': 'false',
          // The broker speaks to its own controller without a name.
          'super.users': `User:ANONYMOUS${shape.secure === undefined ? '' : `;User:${shape.secure.admin.username}`}`,
        }
      : {}),
    ...shape.settings,
  };
  return Object.entries(entries)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

function listeners(shape: BrokerShape, port: number, controllerPort: number): Record<string, string> {
  const controller = `CONTROLLER://127.0.0.1:${controllerPort}`;
  if (shape.secure === undefined) {
    return {
      listeners: `PLAINTEXT://127.0.0.1:${port},${controller}`,
      'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
      'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
    };
  }
  const { keystoreFile, caFile, admin } = shape.secure;
  const login = 'org.apache.kafka.common.security.scram.ScramLoginModule required';
  return {
    listeners: `SASL_SSL://127.0.0.1:${port},${controller}`,
    'advertised.listeners': `SASL_SSL://localhost:${port}`,
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL',
    'inter.broker.listener.name': 'SASL_SSL',
    'sasl.mechanism.inter.broker.protocol': 'SCRAM-SHA-512',
    'sasl.enabled.mechanisms': 'SCRAM-SHA-256,SCRAM-SHA-512',
    'listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config': `${login} username="${admin.username}" password="${admin.password}";`,
    'listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config': `${login};`,
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': keystoreFile,
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': caFile,
  };
}
