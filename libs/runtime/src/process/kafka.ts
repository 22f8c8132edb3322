import { KafkaTransport } from '@understudy/messaging';
import type { Transport } from '@understudy/messaging';
import { SettingsError } from '../config.js';
import type { Settings } from '../config.js';
import type { Log } from '../logging.js';
import type { kafkaSettings } from './settings.js';

type KafkaSettings = Settings<typeof kafkaSettings>;

/** How `libs/messaging` is told to reach Kafka. Throws `SettingsError` for half a login, and for an authority without TLS. */
export function kafkaConnection(settings: KafkaSettings) {
  const { kafkaBrokers: brokers, kafkaTls, kafkaCa: caFile, kafkaUser: username, kafkaPassword: password } = settings;
  const { kafkaCert: certFile, kafkaKey: keyFile } = settings;
  together(['KAFKA_USER', username], ['KAFKA_PASSWORD', password]);
  together(['KAFKA_CERT_FILE', certFile], ['KAFKA_KEY_FILE', keyFile]);
  if ((caFile !== undefined || certFile !== undefined) && !kafkaTls)
    throw new SettingsError(['KAFKA_CA_FILE or KAFKA_CERT_FILE is set and KAFKA_TLS is not true']);
  if (username !== undefined && !kafkaTls)
    throw new SettingsError(['KAFKA_USER is set and KAFKA_TLS is not true: the login would cross the network in clear']);
  const mechanism = settings.kafkaMechanism;
  return {
    brokers,
    ...(kafkaTls ? { tls: filesOf({ caFile, certFile, keyFile }) } : {}),
    ...(username === undefined || password === undefined ? {} : { sasl: { mechanism, username, password } }),
  };
}

function together(...[one, other]: readonly (readonly [name: string, value: string | undefined])[]): void {
  if ((one?.[1] === undefined) === (other?.[1] === undefined)) return;
  throw new SettingsError([`${one?.[0]} and ${other?.[0]} go together; only one of them is set`]);
}

type TlsFiles = { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string };

function filesOf(files: { readonly [K in keyof TlsFiles]: string | undefined }): TlsFiles {
  return Object.fromEntries(Object.entries(files).filter(([, path]) => path !== undefined));
}

export function kafkaTransport(settings: KafkaSettings, clientId: string, log: Log): Transport {
  return new KafkaTransport({ ...kafkaConnection(settings), clientId, log });
}
