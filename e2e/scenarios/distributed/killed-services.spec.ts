/**
 * Each service is killed with SIGKILL in the middle of the standby phase and started again: the owner of the rollout in one
 * window, in another one all the others at the same moment. Each window ends as if nothing had happened: every act was performed
 * once by the hosts' journals and by PostgreSQL's timelines, nothing is lost, and who was away has heard everything.
 */
import { SERVICES } from '@understudy/testing';
import { describe, expect, it } from 'vitest';
import {
  doneTwice,
  factsOf,
  HEARD_BY,
  journalOf,
  lagOf,
  listen,
  lostWrites,
  openWindow,
  outOfOrder,
  ownSystem,
  Receiver,
  stepsWithActs,
  subscriptionOf,
  waitUntil,
  type PairWindow,
  type RecordedEvent,
} from '../../support/distributed/index.js';

const STEP_LIMIT_MS = 300_000;
const WINDOW_LIMIT_MS = 420_000;
const CAUGHT_UP_LIMIT_MS = 60_000;
const DELIVERED_LIMIT_MS = 60_000;
const TEST_LIMIT_MS = 900_000;

const VICTIMS = [['orchestrator'], SERVICES.filter((service) => service !== 'orchestrator')] as const;

describe('a service that is killed in the middle of the standby phase and started again', () => {
  const webhooks = { WEBHOOK_ALLOW: '127.0.0.1', WEBHOOK_ALLOW_HTTP: 'true', WEBHOOK_RETRY_SCHEDULE: '1,1,2,2,4,4,8,8' };
  const system = ownSystem({ settings: { notification: webhooks } });

  it.each(VICTIMS.map((services) => ({ services, names: services.join(', ') })))(
    '$names',
    async ({ services }) => {
      const { stage, rest, undo } = system();
      const slug = `killed-${services[0]}`;
      const receiver = await Receiver.start();
      undo.defer('receiver', () => receiver.goAway());
      await rest.post('/v1/subscriptions', subscriptionOf(receiver, [slug]));
      const kafka = await listen(stage.broker.client('somebody-else'));
      undo.defer('Kafka consumer', () => kafka.stop());
      const window = await openWindow(system(), { slug });
      const standby = `${slug}-b`;
      const { stepId } = await window.step('patch', standby);
      await window.requested(stepId, STEP_LIMIT_MS);
      const patching = (): boolean => window.nodes.some((node) => journalOf(node).some(({ key }) => key.includes(stepId)));
      await waitUntil('the patch to have begun on its host', STEP_LIMIT_MS, patching);
      const pidsOf = (): readonly (number | undefined)[] => services.map((service) => stage.services[service].pid);
      const killed = pidsOf();
      await Promise.all(services.map((service) => stage.services[service].kill()));
      await Promise.all(services.map((service) => stage.services[service].start()));
      for (const pid of pidsOf()) expect(killed).not.toContain(pid);

      const closed = await window.closed(WINDOW_LIMIT_MS);
      expect(closed.body, JSON.stringify(closed.body)).toMatchObject({ result: 'succeeded' });
      const events = await window.events();
      expect(positionOf(events, 'StepSucceeded', stepId)).toBeGreaterThan(positionOf(events, 'StepRequested', stepId));
      await eachActOnce(window, events);

      const access = stage.broker.client('somebody-else');
      for (const service of services) {
        const isCaughtUp = async (): Promise<boolean> => (await lagOf(access, service, HEARD_BY[service] ?? [])) === 0;
        await waitUntil(`${service} to have heard everything`, CAUGHT_UP_LIMIT_MS, isCaughtUp);
      }
      const ids = events.map(({ version }) => `rollout/${window.rolloutId}/${version}`);
      const onKafka = (): ReadonlySet<string> => new Set(kafka.records().map(({ id }) => id));
      await waitUntil('every event on Kafka', CAUGHT_UP_LIMIT_MS, () => ids.every((id) => onKafka().has(id)));
      // Who was killed between publishing and noting it publishes that once more: the same id, in the same order.
      expect(outOfOrder(firstOfEach(kafka.records()))).toEqual([]);
      const isDelivered = (): boolean => ids.every((id) => receiver.accepted().includes(id));
      await waitUntil('every event at the webhook receiver', DELIVERED_LIMIT_MS, isDelivered);
    },
    TEST_LIMIT_MS,
  );
});

function positionOf(events: readonly RecordedEvent[], type: string, stepId: string): number {
  return events.find((event) => event.type === type && event.body['stepId'] === stepId)?.position ?? Number.NaN;
}

function firstOfEach<T extends { readonly source: string; readonly id: string }>(records: readonly T[]): readonly T[] {
  const first = new Map<string, T>();
  for (const record of records)
    if (!first.has(`${record.source} ${record.id}`)) first.set(`${record.source} ${record.id}`, record);
  return [...first.values()];
}

/** By the hosts: their journals, their PostgreSQL's timelines and versions; and by the load client's ledger. */
async function eachActOnce(window: PairWindow, events: readonly RecordedEvent[]): Promise<void> {
  expect(doneTwice(window.nodes)).toEqual([]);
  for (const node of window.nodes) {
    const steps = stepsWithActs(node);
    expect(steps.some((step) => step.includes(`-patch-${node.slug}`))).toBe(true);
    const jobs = journalOf(node).filter(({ kind, key }) => kind === 'jobs' && key.includes('-patch-'));
    expect(jobs.map(({ code }) => code)).toEqual([0]);
  }
  const kinds = /-switchover-/;
  const switchovers = events.filter(({ type, body }) => type === 'StepSucceeded' && kinds.test(String(body['stepId']))).length;
  expect(switchovers).toBe(3);
  const facts = await factsOf(window.pair);
  for (const { version, timeline } of facts)
    expect({ version, timeline }).toEqual({ version: window.targetVersion, timeline: 1 + switchovers });
  const serving = facts.filter(({ standby }) => !standby);
  expect(serving.length).toBe(1);
  const ledger = await window.endLoad();
  expect(ledger.filter(({ kind }) => kind === 'ack').length).toBeGreaterThan(500);
  expect(await lostWrites(window.pair, ledger, serving[0]?.slug ?? '')).toBe(0);
}
