/**
 * Kafka stopped for a minute in the middle of a window. What a service records does not wait for it; the window goes on or holds at a
 * safe point; nothing is lost, and soon after its return nobody is behind.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import {
  endOf,
  heardOnce,
  listen,
  onceEach,
  openWindow,
  outOfOrder,
  ownSystem,
  TOPICS,
  waitUntil,
  type PairWindow,
} from '../../support/distributed/index.js';

const STEP_LIMIT_MS = 180_000;
const AWAY_MS = 60_000;
const LOOK_EVERY_MS = 1_000;
/** A service notices that the bus is gone when it next needs it. */
const NOTICED_WITHIN_MS = 15_000;
const APPEND_LIMIT_MS = 5_000;
const APPEND_EVERY_MS = 10_000;
const CAUGHT_UP_WITHIN_MS = 60_000;
const LAG_LIMIT_MS = 2_000;
const CLOSED_LIMIT_MS = 240_000;
const HEARD_LIMIT_MS = 30_000;

interface Ready {
  readonly service: string;
  readonly atMs: number;
  readonly code: number;
  readonly status: string;
  readonly reasons: string;
}

function theOneBefore(answers: readonly Ready[], answer: Ready): Ready | undefined {
  return answers.slice(0, answers.indexOf(answer)).findLast(({ service }) => service === answer.service);
}

describe('Kafka stopped for a minute in the middle of a window', () => {
  const system = ownSystem();
  let window: PairWindow;
  let backAt = 0;
  let appends = 0;

  async function readiness(sinceMs: number): Promise<readonly Ready[]> {
    return Promise.all(
      Object.entries(system().stage.services).map(async ([service, { rest }]) => {
        const answer = await fetch(new URL('/health/ready', rest));
        const { status, parts } = (await answer.json()) as { status: string; parts: Record<string, { reason?: string }> };
        const reasons = Object.values(parts).flatMap(({ reason }) => reason ?? []);
        return { service, atMs: performance.now() - sinceMs, code: answer.status, status, reasons: reasons.join(' ') };
      }),
    );
  }

  /** Two appends, in two services; the second one is published, and the three others hear it. Answers how long they took, ms. */
  async function append(): Promise<number> {
    const { rest } = system();
    const since = performance.now();
    await rest.post('/v1/patch-sets', {
      items: [{ name: 'postgresql', targetVersion: '99.9', source: 'release', artifact: 'postgresql-99.9' }],
      advisories: [],
      publishedAt: '2026-01-01T00:00:00Z',
    });
    appends += 1;
    await rest.post('/v1/clusters', elsewhere(window.pair.cluster.definition, `other-${appends}`));
    return performance.now() - since;
  }

  /** Events that groups are behind, by the services' own metrics. */
  async function behind(): Promise<readonly string[]> {
    const texts = await Promise.all(
      Object.values(system().stage.services).map(async ({ rest }) => (await fetch(new URL('/metrics', rest))).text()),
    );
    const lags = texts.flatMap((text) => [...text.matchAll(/^understudy_transport_lag_events\{([^}]*)\} (\d+)$/gm)]);
    expect(lags.length).toBeGreaterThan(TOPICS.length);
    return lags.filter(([, , events]) => events !== '0').map(([line]) => line);
  }

  it('appends do not wait, and each service says that it is degraded and why, and goes on', async () => {
    window = await openWindow(system(), { slug: 'kafka' });
    const { stepId } = await window.step('drain');
    await window.requested(stepId, STEP_LIMIT_MS);
    const { broker } = system().stage;
    const recorded = (await window.events()).length;
    await broker.kill();
    const since = performance.now();
    const answers: Ready[] = [];
    const appendsMs: number[] = [];
    while (performance.now() - since < AWAY_MS) {
      answers.push(...(await readiness(since)));
      if (performance.now() - since > APPEND_EVERY_MS * appendsMs.length) appendsMs.push(await append());
      await pause(LOOK_EVERY_MS);
    }
    const went = await window.events();
    await broker.restart();
    backAt = performance.now();
    // A machine that stands still for two seconds costs one look; a service that is down says so at the next as well.
    expect(answers.filter((answer) => answer.code !== 200 && theOneBefore(answers, answer)?.code !== 200)).toEqual([]);
    const late = answers.filter(({ atMs, code }) => code === 200 && atMs > NOTICED_WITHIN_MS);
    expect(late.length).toBeGreaterThan(answers.length / 2);
    expect(
      late.filter(
        ({ status, reasons }) => status !== 'degraded' || !/understudy\.\w+\.v1, .*(connect|Kafka|broker)/i.test(reasons),
      ),
    ).toEqual([]);
    expect(Math.max(...appendsMs)).toBeLessThan(APPEND_LIMIT_MS);
    expect(appendsMs.length).toBeGreaterThanOrEqual(5);
    // The window does not need the bus between two looks at its evidence.
    expect(went.length).toBeGreaterThan(recorded + 10);
    expect(went.filter(({ type }) => ['StepFailed', 'StepUnknown', 'RolloutHeld'].includes(type))).toEqual([]);
  });

  it('within a minute of its return nobody is more than 2 s behind', async () => {
    for (;;) {
      const since = performance.now();
      await append();
      const caughtUp = await waitUntil('nobody to be behind', LAG_LIMIT_MS, async () => (await behind()).length === 0).then(
        () => true,
        () => false,
      );
      if (caughtUp) break;
      expect(since - backAt).toBeLessThan(CAUGHT_UP_WITHIN_MS);
    }
    expect(performance.now() - backAt).toBeLessThan(CAUGHT_UP_WITHIN_MS);
    const isOk = async (): Promise<boolean> => (await readiness(0)).every(({ status }) => status === 'ok');
    await waitUntil('every service to be well again', CAUGHT_UP_WITHIN_MS, isOk);
  });

  it('the window ends succeeded, each act once', async () => {
    const end = await endOf(window, CLOSED_LIMIT_MS);
    expect(end).toEqual(onceEach(window, await window.events()));
  });

  it('nothing is lost: every event is heard, once per id and in order per key', async () => {
    const expected = (await window.events()).map(({ version }) => `rollout/${window.rolloutId}/${version}`);
    const kafka = await listen(system().stage.broker.client('somebody-else'));
    system().undo.defer('Kafka consumer', () => kafka.stop());
    const heard = (): readonly string[] =>
      heardOnce(kafka.records())
        .map(({ id }) => id)
        .filter((id) => id.startsWith(`rollout/${window.rolloutId}/`));
    await waitUntil('every event on Kafka', HEARD_LIMIT_MS, () => heard().length >= expected.length);
    expect(heard()).toEqual(expected);
    expect(outOfOrder(heardOnce(kafka.records()))).toEqual([]);
  });
});

/** A cluster of the same form on hosts that are nowhere: nothing can be done there. */
function elsewhere(definition: PairWindow['pair']['cluster']['definition'], slug: string): unknown {
  const { credentials } = definition;
  const renamed = JSON.parse(JSON.stringify(definition).replaceAll(`"${definition.slug}`, `"${slug}`)) as typeof definition;
  const roots = renamed.hosts.map((host) => ({ ...host, access: { kind: 'local', root: `/nowhere/${host.slug}` } }));
  return { ...renamed, hosts: roots, credentials };
}
