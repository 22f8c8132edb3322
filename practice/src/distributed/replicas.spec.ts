import { chmodSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LEASE_TERM_MS } from '@understudy/event-log';
import { postgresBinaries } from '@understudy/runtime';
import { eventually, needsBroker, testPair, type TestPair } from '@understudy/testing';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { Cleanup } from '../demo/cleanup.js';
import { registerCluster, rolloutOf, scheduleWindow } from '../demo/register.js';
import { Api } from '../rest/api.js';
import type { RecordedEvent } from '../rest/documents.js';
import { serviceFor } from './route.js';
import type { ServiceProcess } from './service-process.js';
import { startStage, type Stage } from './stage.js';

const AT_ONCE_MS = 5_000;
const HOUR_MS = 3_600_000;

interface Adoption {
  readonly instance: string;
  readonly incarnation: string;
}

describe('two orchestrators on one schema', () => {
  const cleanup = new Cleanup();
  const over = new AbortController();
  let pair: TestPair;
  let stage: Stage | undefined;
  let second: ServiceProcess;
  let rolloutId: string;

  let starting: Promise<void> | undefined;

  beforeEach((context) => needsBroker(context, () => (starting ??= start())), 240_000);

  async function start(): Promise<void> {
    const folder = mkdtempSync(join(realpathSync(tmpdir()), 'understudy-replicas-'));
    chmodSync(folder, 0o711);
    cleanup.defer('folder', async () => rmSync(folder, { recursive: true, force: true }));
    pair = await testPair({ withNewer: true });
    cleanup.defer('pair', () => pair.remove());
    stage = await startStage({ folder, signal: over.signal, defer: (what, undo) => cleanup.defer(what, undo) });
  }

  afterAll(async () => {
    over.abort();
    expect(await cleanup.run(60_000)).toEqual([]);
  }, 240_000);

  function running(): Stage {
    if (stage === undefined) throw new Error('The stage did not start.');
    return stage;
  }

  /** Asks a replica by its own address. */
  function at(replica: ServiceProcess): Api {
    return new Api(replica.rest, running().token, over.signal);
  }

  async function eventsAt(replica: ServiceProcess): Promise<readonly RecordedEvent[]> {
    const { items } = await at(replica).get<{ readonly items: readonly RecordedEvent[] }>(`/v1/rollouts/${rolloutId}/events`);
    return items;
  }

  async function adoptions(replica: ServiceProcess): Promise<readonly Adoption[]> {
    return (await eventsAt(replica))
      .filter(({ type }) => type === 'RolloutAdopted')
      .map(({ body }) => body as unknown as Adoption);
  }

  /** Waits until the rollout was adopted that often; answers the newest owner and how long it took, ms. */
  async function adopted(replica: ServiceProcess, times: number, withinMs: number): Promise<{ owner: string; tookMs: number }> {
    const since = performance.now();
    const enough = async (): Promise<boolean> => (await adoptions(replica).catch(() => [])).length >= times;
    await eventually(`adopted ${times} times`, enough, withinMs);
    const all = await adoptions(replica);
    expect(all).toHaveLength(times);
    expect(new Set(all.map(({ incarnation }) => incarnation)).size).toBe(times);
    return { owner: all.at(-1)?.instance ?? '', tookMs: performance.now() - since };
  }

  it('one of them owns a rollout that waits for its window', async () => {
    const { services, replica, token } = running();
    const api = new Api((path) => services[serviceFor(path)].rest, token, over.signal);
    const registering = { api, cluster: pair.cluster, targetVersion: postgresBinaries('newer').version };
    await registerCluster(registering);
    rolloutId = await rolloutOf(api, await scheduleWindow(registering, new Date(Date.now() + HOUR_MS)));
    expect((await adopted(services.orchestrator, 1, 30_000)).owner).toBe('orchestrator-1');
    second = replica('orchestrator', 'orchestrator-2');
    await second.start();
  }, 120_000);

  it('the same instance takes up its own again at once when it was killed', async () => {
    const first = running().services.orchestrator;
    await first.kill();
    await first.start();
    const { owner, tookMs } = await adopted(first, 2, AT_ONCE_MS);
    expect(owner).toBe('orchestrator-1');
    expect(tookMs).toBeLessThan(AT_ONCE_MS);
  }, 120_000);

  it('another waits for the end of the lease of one that was killed, and 5 s at most', async () => {
    await running().services.orchestrator.kill();
    const { owner, tookMs } = await adopted(second, 3, LEASE_TERM_MS + AT_ONCE_MS);
    expect(owner).toBe('orchestrator-2');
    // It was renewed at most a third of its term before the kill: not much less than two thirds were left.
    expect(tookMs).toBeGreaterThan(LEASE_TERM_MS / 2);
  }, 120_000);

  it('one that is asked to stop hands over: the other does not wait for its lease', async () => {
    const first = running().services.orchestrator;
    await first.start();
    expect(await second.stop()).toBe(0);
    const { owner } = await adopted(first, 4, AT_ONCE_MS);
    expect(owner).toBe('orchestrator-1');
  }, 120_000);

  it('a person’s command may be given to either; the owner hears of it', async () => {
    const first = running().services.orchestrator;
    await second.start();
    const driven = async (): Promise<number> => {
      const text = await (await fetch(new URL('/metrics', first.rest))).text();
      return [...text.matchAll(/^understudy_rollouts_driven\{[^}]*\} (\d+)$/gm)].reduce((sum, [, n]) => sum + Number(n), 0);
    };
    expect(await driven()).toBe(1);
    await at(second).post(`/v1/rollouts/${rolloutId}/abort`, { reason: 'The spec has seen enough.' });
    await eventually('the owner lets go', async () => (await driven()) === 0, AT_ONCE_MS);
    expect((await eventsAt(first)).at(-1)?.type).toBe('RolloutClosed');
    expect(await adoptions(first)).toHaveLength(4);
  }, 120_000);
});
