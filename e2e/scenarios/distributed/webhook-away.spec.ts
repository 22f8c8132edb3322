/** A webhook receiver that was down for a minute gets each event at least once; whatever is tried again keeps its ids. */
import { describe, expect, it } from 'vitest';
import { AWAY_MS, calmWindow, inTime, waitUntil, type HeardRecord, type Receiver } from '../../support/distributed/index.js';

const BACK_LIMIT_MS = AWAY_MS + 10_000;
const PUBLISHED_LIMIT_MS = 15_000;
const DELIVERED_LIMIT_MS = 120_000;

describe('webhooks', () => {
  const calm = calmWindow();

  /** CloudEvent ids of what Kafka carries about the cluster, from the services that webhooks tell of. */
  function published(): readonly string[] {
    const told = calm()
      .kafka.records()
      .filter(({ topic }) => topic !== 'understudy.notification.v1');
    return told.filter((record) => concerns(record, 'calm')).map(({ id }) => id);
  }

  async function hasEverything(receiver: Receiver, ids: readonly string[]): Promise<void> {
    const missing = (): readonly string[] => {
      const accepted = new Set(receiver.accepted());
      return ids.filter((id) => !accepted.has(id));
    };
    await waitUntil('the receiver to have every event', DELIVERED_LIMIT_MS, () => missing().length === 0).catch(
      (error: unknown) => {
        throw new Error(`${String(error)} Missing of ${ids.length}: ${missing().join(', ')}`, { cause: error });
      },
    );
  }

  it('a receiver that was down for a minute gets each event at least once', async () => {
    const { receivers, events, window } = calm();
    await inTime('the receiver to come back', BACK_LIMIT_MS, receivers.back);
    const ofRollout = events.map(({ version }) => `rollout/${window.rolloutId}/${version}`);
    await waitUntil('every event of the rollout on Kafka', PUBLISHED_LIMIT_MS, () => {
      const ids = new Set(published());
      return ofRollout.every((id) => ids.has(id));
    });
    await hasEverything(receivers.away, published());
    expect(receivers.away.firstAt - receivers.away.wentAwayAt).toBeGreaterThanOrEqual(AWAY_MS);
  });

  it('one that refuses each delivery once gets it again, and then not any more', async () => {
    const { grumpy } = calm().receivers;
    await hasEverything(grumpy, published());
    const attempts = new Map<string, number[]>();
    for (const { webhookId, answered } of grumpy.deliveries)
      attempts.set(webhookId, [...(attempts.get(webhookId) ?? []), answered]);
    const ended = [...attempts.values()].filter((answers) => answers.includes(204));
    expect(ended.length).toBeGreaterThan(50);
    expect(new Set(ended.map((answers) => answers.join()))).toEqual(new Set(['503,204']));
  });

  it('an event keeps its ids over all attempts: one webhook-id per event and receiver, and the CloudEvent’s own id', () => {
    const onKafka = new Set(published());
    for (const receiver of [calm().receivers.grumpy, calm().receivers.away]) {
      const webhookIds = new Map(receiver.deliveries.map(({ eventId, webhookId }) => [eventId, webhookId]));
      const eventIds = new Map(receiver.deliveries.map(({ eventId, webhookId }) => [webhookId, eventId]));
      for (const { eventId, webhookId } of receiver.deliveries) {
        expect(webhookIds.get(eventId)).toBe(webhookId);
        expect(eventIds.get(webhookId)).toBe(eventId);
        expect(onKafka).toContain(eventId);
      }
    }
  });
});

/** An event about a cluster has it as its key; one about a window names its clusters. */
function concerns({ key, data }: HeardRecord, cluster: string): boolean {
  const { clusters } = data;
  return key === cluster || (Array.isArray(clusters) && clusters.includes(cluster));
}
