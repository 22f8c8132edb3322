/** One real Kafka per spec file, started at the first need and stopped with the file; nothing of it stays. */
import { type Broker, type BrokerOptions, BrokerUnavailable, startBroker } from '@understudy/practice/broker';
import { afterAll, type TestContext } from 'vitest';

export type { Broker };

const brokers: Broker[] = [];
let shared: Promise<Broker> | undefined;

/** The spec file's own broker, in plain text. Rejects with `BrokerUnavailable`: `needsBroker` makes that a skip. */
export function testBroker(): Promise<Broker> {
  shared ??= ownBroker();
  return shared;
}

/** A broker for what another one must not see: faults, users, an authorizer. Stopped with the file. */
export async function ownBroker(options: BrokerOptions = {}): Promise<Broker> {
  const broker = await startBroker(options);
  brokers.push(broker);
  return broker;
}

/**
 * Skips the test, with the reason, if Java or Maven is missing; any other trouble fails it. For a `beforeEach`:
 * `beforeEach((context) => needsBroker(context, () => testBroker()))`.
 */
export async function needsBroker(context: TestContext, start: () => Promise<unknown>): Promise<void> {
  try {
    await start();
  } catch (error) {
    if (error instanceof BrokerUnavailable && (error.code === 'JAVA_MISSING' || error.code === 'MAVEN_FAILED')) {
      context.skip(`no Kafka broker: ${error.message.split('\n')[0]}`);
    }
    throw error;
  }
}

afterAll(async () => {
  await Promise.all(brokers.map((broker) => broker.stop()));
});
