/**
 * A window through four processes: REST starts it, gRPC watches it, somebody else's Kafka consumer hears every event that is
 * published, once per id and in order per key; nothing that clients were promised is lost, and the judge finds the same figures.
 */
import { describe, expect, it } from 'vitest';
import {
  calmWindow,
  factsOf,
  judged,
  lostWrites,
  outOfOrder,
  saidTwice,
  TOPICS,
  waitUntil,
} from '../../support/distributed/index.js';

const HEARD_WITHIN_MS = 10_000;

describe('the happy window through four processes', () => {
  const calm = calmWindow();

  it('succeeds: both nodes run the newer version, and no acknowledged write is lost', async () => {
    const { window, events, ledger } = calm();
    expect(events.at(-1)).toMatchObject({ type: 'RolloutClosed', body: { result: 'succeeded' } });
    const facts = await factsOf(window.pair);
    expect(facts.map(({ version }) => version)).toEqual([window.targetVersion, window.targetVersion]);
    const [serving, ...others] = facts.filter(({ standby }) => !standby);
    expect(others).toEqual([]);
    expect(ledger.filter(({ kind }) => kind === 'ack').length).toBeGreaterThan(500);
    expect(await lostWrites(window.pair, ledger, serving?.slug ?? '')).toBe(0);
  });

  it('is judged: every figure of the product’s report is found again on the nodes, in the ledger and in the events', async () => {
    const figures = await judged(calm());
    expect(figures.filter(({ agrees }) => !agrees)).toEqual([]);
    expect(figures.length).toBeGreaterThan(10);
  });

  it('is watched over gRPC, past and live, without gap and without double', () => {
    const { watchers, events } = calm();
    const positions = events.map(({ position }) => position);
    expect(events.map(({ version }) => version)).toEqual(events.map((_, index) => index + 1));
    expect(watchers.live.events().map(({ position }) => position)).toEqual(positions);
    expect(watchers.late.events().map(({ position }) => position)).toEqual(positions);
    const { left, wentOn } = watchers;
    expect(left.events().length).toBeGreaterThan(0);
    expect(wentOn.events().length).toBeGreaterThan(0);
    expect([...left.events(), ...wentOn.events()].map(({ position }) => position)).toEqual(positions);
  });

  it('is heard on Kafka: each event of the rollout under the id that its place in the log gives it', async () => {
    const { kafka, events, window } = calm();
    const expected = events.map(({ version }) => `rollout/${window.rolloutId}/${version}`);
    const heard = (): readonly string[] =>
      kafka
        .records()
        .map(({ id }) => id)
        .filter((id) => id.startsWith(`rollout/${window.rolloutId}/`));
    await waitUntil('every event of the rollout on Kafka', HEARD_WITHIN_MS, () => heard().length >= expected.length);
    expect(heard()).toEqual(expected);
  });

  it('is heard once per id and in order per key, on every topic', () => {
    const records = calm().kafka.records();
    expect([...new Set(records.map(({ topic }) => topic))].sort()).toEqual([...TOPICS].sort());
    expect(saidTwice(records)).toEqual([]);
    expect(outOfOrder(records)).toEqual([]);
    for (const { topic, type, source, key } of records) {
      expect(type).toMatch(new RegExp(`^${topic.replace('.v1', '')}\\.[a-z-]+\\.v1$`));
      expect(source).toMatch(/^\/understudy\/(inventory|drift|orchestrator|notification)\/[0-9a-f-]{36}$/);
      expect(key).not.toBe('');
    }
  });
});
