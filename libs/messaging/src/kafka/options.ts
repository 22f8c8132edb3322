/** How a process reaches its Kafka. Nothing of the client library shows here. */
export interface KafkaOptions {
  /** `host:port` each; one that answers is enough to find the others. */
  readonly brokers: readonly string[];
  /** Shown in the broker's own logs and quotas, e.g. `inventory-0`. */
  readonly clientId: string;
  /** TLS with these PEM files; an empty object trusts the system's authorities. */
  readonly tls?: {
    readonly caFile?: string;
    readonly certFile?: string;
    readonly keyFile?: string;
  };
  readonly sasl?: {
    readonly mechanism: 'scram-sha-256' | 'scram-sha-512';
    readonly username: string;
    readonly password: string;
  };
  readonly log?: KafkaLog;
}

/** Where the client library's messages go: any pino-like log. */
export interface KafkaLog {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
}
