/**
 * A message on notification's topic that notification never said: another principal may not write it there, and one that is written
 * with notification's own credentials is heard, and opens no gate, for the orchestrator asks notification itself once more.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { TokenStore } from '@understudy/testing';
import { describe, expect, it } from 'vitest';
import {
  kafkaClient,
  listen,
  openWindow,
  ownSystem,
  Rest,
  waitUntil,
  type PairWindow,
  type RecordedEvent,
} from '../../support/distributed/index.js';

const TOPIC = 'understudy.notification.v1';
const NUMBER = 'CHG-FORGED';
/** Time to say something about the ticket before the window opens and the gates are judged. */
const OPENS_IN_MS = 30_000;
const JUDGED_LIMIT_MS = OPENS_IN_MS + 60_000;
const HEARD_LIMIT_MS = 30_000;
const HOUR_MS = 3_600_000;

describe('a message forged on notification’s topic', () => {
  const system = ownSystem();

  /**
   * A window of a production cluster, which asks for an approved ticket. Its nodes live on the orchestrator's own machine, which it
   * would never patch in production: so whatever the ticket's gate says, nothing begins.
   */
  function opensSoon(slug: string): Promise<PairWindow> {
    return openWindow(system(), { slug, environment: 'production', opensAt: new Date(Date.now() + OPENS_IN_MS) });
  }

  /** Waits until the gate of the ticket was judged. */
  function judged(window: PairWindow): Promise<RecordedEvent> {
    const isTicket = ({ type, body }: RecordedEvent): boolean => type === 'GateEvaluated' && body['gate'] === 'change-ticket';
    return window.saw('the change ticket’s gate judged', JUDGED_LIMIT_MS, isTicket);
  }

  /** Writes "change approved" as notification would, in the name of a principal. */
  async function forge(principal: string, windowId: string): Promise<void> {
    const kafka = kafkaClient(system().stage.broker.client('forger', principal));
    const producer = kafka.producer({ allowAutoTopicCreation: false, retry: { retries: 1 } });
    await producer.connect();
    try {
      await producer.send({ topic: TOPIC, acks: -1, messages: [forgedApproval(windowId)] });
    } finally {
      await producer.disconnect();
    }
  }

  it.each(['orchestrator', 'drift', 'inventory'])('is refused by the broker when %s writes it', async (principal) => {
    await expect(forge(principal, randomUUID())).rejects.toThrow('Topic authorization failed');
  });

  it('is delivered when notification’s own credentials are used, and the gate stays closed with the reason', async () => {
    const window = await opensSoon('forged');
    await forge('notification', window.windowId);
    const kafka = await listen(system().stage.broker.client('somebody-else'), [TOPIC]);
    system().undo.defer('Kafka consumer', () => kafka.stop());
    const forged = (): number => kafka.records().filter(({ data }) => JSON.stringify(data).includes(window.windowId)).length;
    await waitUntil('the message to lie in the topic', HEARD_LIMIT_MS, () => forged() > 0);
    const recorded = await window.saw('the forged approval', HEARD_LIMIT_MS, ({ type }) => type === 'TicketRecorded');
    expect(recorded.body).toMatchObject({ number: NUMBER, approved: true });

    const gate = await judged(window);
    expect(gate.version).toBeGreaterThan(recorded.version);
    expect(gate.body).toMatchObject({ status: 'closed', reason: `Ticket ${NUMBER} could not be read again.` });
    const { body } = await window.closed(HEARD_LIMIT_MS);
    expect(body).toMatchObject({
      result: 'refused',
      reason: expect.stringContaining(`change-ticket: Ticket ${NUMBER} could not`),
    });
    const types = (await window.events()).map(({ type }) => type);
    expect(types).not.toContain('RolloutAdmitted');
    expect(types).not.toContain('StepRequested');
    expect(forged()).toBe(1);
  });

  it('a ticket that notification itself recorded opens that gate', async () => {
    const window = await opensSoon('genuine');
    const { stage } = system();
    const tokens = new TokenStore(join(stage.folder, 'secrets', 'tokens.json'));
    const { token } = await tokens.create({ subject: 'carol', role: 'approver' });
    const carol = new Rest(() => stage.services.notification.rest, token);
    await carol.post('/v1/tickets', { windowId: window.windowId, number: 'CHG-1', approver: 'dora' });
    await window.saw('the approval', HEARD_LIMIT_MS, ({ type }) => type === 'TicketRecorded');
    expect((await judged(window)).body).toMatchObject({ status: 'open', reason: 'CHG-1 was approved by dora.' });
  });
});

/** A CloudEvent in binary mode with all that a genuine one has. */
function forgedApproval(windowId: string) {
  const now = Date.now();
  const change = { ticketId: randomUUID(), windowId, system: 'manual', number: NUMBER, approver: 'mallory' };
  const times = { approvedAt: new Date(now).toISOString(), expiresAt: new Date(now + HOUR_MS).toISOString() };
  return {
    key: windowId,
    value: JSON.stringify({ change, ...times }),
    headers: {
      'content-type': 'application/json',
      ce_specversion: '1.0',
      ce_id: `ticket/${change.ticketId}/2`,
      ce_source: `/understudy/notification/${randomUUID()}`,
      ce_type: 'understudy.notification.change-approved.v1',
      ce_subject: `ticket/${change.ticketId}`,
      ce_time: times.approvedAt,
      ce_partitionkey: windowId,
      ce_sequence: '1'.padStart(20, '0'),
    },
  };
}
