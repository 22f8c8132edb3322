/**
 * The PostgreSQL that holds the logs is killed in the middle of a window and started again: the window ends, what was recorded is
 * there, the chain is whole, everything is published, and no act is done twice.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import {
  endOf,
  heardOnce,
  listen,
  onceEach,
  openWindow,
  ownSystem,
  waitUntil,
  type PairWindow,
  type RecordedEvent,
} from '../../support/distributed/index.js';

const STEP_LIMIT_MS = 180_000;
const AWAY_MS = 10_000;
const READY_LIMIT_MS = 60_000;
const CLOSED_LIMIT_MS = 240_000;
const HEARD_LIMIT_MS = 60_000;

describe('the store’s PostgreSQL killed with -9 in the middle of a window', () => {
  const system = ownSystem();
  let window: PairWindow;
  let before: readonly RecordedEvent[];

  it('is away for a moment; every service says that it is not ready, and is ready again when it is back', async () => {
    window = await openWindow(system(), { slug: 'store' });
    const { stepId } = await window.step('drain');
    await window.requested(stepId, STEP_LIMIT_MS);
    before = await window.events();
    const { stage } = system();
    const services = Object.values(stage.services);
    const pids = services.map(({ pid }) => pid);
    const killed = stage.postgres.pid;
    process.kill(killed, 'SIGKILL');
    await pause(AWAY_MS);
    const answers = await Promise.all(services.map(async ({ rest }) => (await fetch(new URL('/health/ready', rest))).status));
    expect(answers).toEqual(services.map(() => 503));
    await stage.restartPostgres();
    expect(stage.postgres.pid).not.toBe(killed);
    for (const { name, rest } of services) {
      const isReady = async (): Promise<boolean> => (await fetch(new URL('/health/ready', rest))).status === 200;
      await waitUntil(`${name} to be ready`, READY_LIMIT_MS, isReady);
    }
    expect(services.map(({ pid }) => pid)).toEqual(pids);
  });

  it('the window ends succeeded, each act once', async () => {
    const end = await endOf(window, CLOSED_LIMIT_MS);
    expect(end).toEqual(onceEach(window, await window.events()));
  });

  it('what was recorded before is there as it was, and the chain is whole', async () => {
    const events = await window.events();
    expect(before.length).toBeGreaterThan(10);
    expect(events.slice(0, before.length)).toEqual(before);
    expect(events.map(({ version }) => version)).toEqual(events.map((_, index) => index + 1));
    expect(await system().rest.get(`/v1/rollouts/${window.rolloutId}/verify`)).toMatchObject({ intact: true });
  });

  it('every event is published: each id once and in order for who passes over what it has heard', async () => {
    const expected = (await window.events()).map(({ version }) => `rollout/${window.rolloutId}/${version}`);
    const kafka = await listen(system().stage.broker.client('somebody-else'));
    system().undo.defer('Kafka consumer', () => kafka.stop());
    const heard = (): readonly string[] =>
      heardOnce(kafka.records())
        .map(({ id }) => id)
        .filter((id) => id.startsWith(`rollout/${window.rolloutId}/`));
    await waitUntil('every event on Kafka', HEARD_LIMIT_MS, () => heard().length >= expected.length);
    expect(heard()).toEqual(expected);
  });
});
