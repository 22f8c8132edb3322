import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { StoredEvent } from '@understudy/event-log';
import { openHosts } from '@understudy/hosts';
import { drivers } from '@understudy/platforms';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '@understudy/runtime';
import { eventually, testPair, withClient, type TestPair, type TestPostgres } from '@understudy/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scheduleWindow, startOrchestrator, type StartedOrchestrator } from './fixtures/contract.js';

const AWAY_MS = 20_000;
const CLOSED_WITHIN_MS = 420_000;
const READ_WITHIN_MS = 10_000;

/** A server that can be killed and started again on the same port and data, as after a power cut. */
class MortalStore {
  private constructor(private server: EmbeddedPostgres) {}

  static async start(dataFolder: string): Promise<MortalStore> {
    return new MortalStore(await startEmbeddedPostgres({ dataFolder, settings: { max_connections: '100' } }));
  }

  asTestPostgres(): TestPostgres {
    return { ...this.server, beforeStop: () => undefined, killAndRestart: () => this.killFor(0) };
  }

  async killFor(ms: number): Promise<void> {
    const { pid, port, dataFolder } = this.server;
    process.kill(pid, 'SIGKILL');
    await this.server.ended;
    await this.server.stop();
    await delay(ms);
    this.server = await startEmbeddedPostgres({ dataFolder, port, settings: { max_connections: '100' } });
  }

  stop(): Promise<void> {
    return this.server.stop();
  }
}

interface Requested {
  readonly stepId: string;
  readonly key: string;
}

/** Orders to begin a step that moves the workload. */
function switchovers(events: readonly StoredEvent[]): readonly Requested[] {
  const orders = events.filter((event) => event.type === 'StepRequested').map((event) => event.body as Requested);
  return orders.filter((order) => order.stepId.includes('-switchover-'));
}

describe('the store is away for 20 s in the middle of a switchover', () => {
  const uncaught: unknown[] = [];
  const note = (error: unknown): void => void uncaught.push(error);
  let folder: string;
  let store: MortalStore;
  let pair: TestPair;
  let product: StartedOrchestrator;

  beforeAll(async () => {
    process.on('uncaughtExceptionMonitor', note);
    folder = mkdtempSync(join(tmpdir(), 'understudy-store-away-'));
    store = await MortalStore.start(folder);
    pair = await testPair({ withNewer: true });
    const { definition, credentials } = pair.cluster;
    product = await startOrchestrator({
      definitions: [definition],
      platforms: drivers,
      credentials,
      storeOn: store.asTestPostgres(),
    });
  });

  afterAll(async () => {
    await product?.stop();
    await product?.store.close();
    await store?.stop();
    await pair?.remove();
    rmSync(folder, { recursive: true, force: true });
    process.off('uncaughtExceptionMonitor', note);
  });

  /** Resolves with what the log held when the first switchover had been ordered: from then on its acts are under way. */
  const firstSwitchover = (): Promise<readonly StoredEvent[]> =>
    new Promise((resolve, reject) => {
      const forget = product.store.log.onAppend(() => {
        product.store.log.readAll(0, 10_000).then((events) => {
          if (switchovers(events).length === 0) return;
          forget();
          resolve(events);
        }, reject);
      });
    });

  const timelines = (): Promise<readonly number[]> =>
    Promise.all(
      pair.cluster.nodes.map((node) =>
        withClient(node, pair.cluster.secrets.driver, 'postgres', async (client) => {
          const { rows } = await client.query<{ timeline: number }>(
            // Of what is being written, or received: the control file follows with the next checkpoint only.
            `select case when pg_is_in_recovery() then (select received_tli from pg_stat_wal_receiver)
               else ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int end as timeline`,
          );
          return rows[0]?.timeline ?? 0;
        }),
      ),
    );

  /** Keys of every host's journal, acts of promotion apart. */
  const journal = async (): Promise<{ readonly keys: readonly string[]; readonly promotions: readonly string[] }> => {
    const hosts = openHosts(pair.cluster.definition.hosts);
    const answers = await Promise.all(Object.values(hosts).map((host) => host.journal.entries('', READ_WITHIN_MS)));
    await Promise.all(Object.values(hosts).map((host) => host.access.close()));
    const keys = answers.flatMap((answer) => (answer.status === 'read' ? answer.entries.map((entry) => entry.key) : ['unread']));
    return { keys, promotions: keys.filter((key) => key.includes('/promote/')) };
  };

  it(
    'goes on where reality is: nothing is lost, nothing is done twice',
    async () => {
      const before = await timelines();
      const ordered = firstSwitchover();
      const { definition } = pair.cluster;
      const window = await scheduleWindow(product, [definition.slug], { source: 'release', targetVersion: '17.10' });
      const rolloutId = String(window.rollouts[0]?.id);
      const acknowledged = await ordered;
      const about = (stepId: unknown): unknown =>
        acknowledged.filter((event) => (event.body as Partial<Requested>).stepId === stepId);
      expect(about(switchovers(acknowledged)[0]?.stepId), 'ordered, its outcome not recorded').toHaveLength(1);
      await store.killFor(AWAY_MS);

      const answer = async (path: string): Promise<{ readonly status: number; readonly body: Record<string, unknown> }> =>
        product.get(`/v1/rollouts/${rolloutId}${path}`);
      await eventually(
        'the rollout ends or stands',
        async () => {
          const { body } = await answer('');
          return body['status'] === 'closed' || body['status'] === 'held';
        },
        CLOSED_WITHIN_MS,
      );
      const report = (await answer('/report')).body;
      expect(report['result'], JSON.stringify(report['story'], null, 1)).toBe('succeeded');
      expect(report['interruption']).toMatchObject({ lostWrites: 0 });
      expect(uncaught).toEqual([]);

      const events = await product.store.log.readAll(0, 10_000);
      expect(events.slice(0, acknowledged.length), 'what was acknowledged is there').toEqual(acknowledged);
      const orders = switchovers(events);
      expect(new Set(orders.map((order) => order.stepId)).size, 'each switchover was ordered once').toBe(orders.length);
      const { keys, promotions } = await journal();
      expect(keys).not.toContain('unread');
      expect(new Set(keys).size, 'each key was begun once').toBe(keys.length);
      expect(promotions).toHaveLength(orders.length);
      await eventually('the timelines show the planned promotions', async () =>
        (await timelines()).every((timeline, index) => timeline === (before[index] ?? 0) + orders.length),
      );
      expect((await answer('/verify')).body).toMatchObject({ intact: true });
      expect(await product.store.log.verify()).toMatchObject({ intact: true });
    },
    CLOSED_WITHIN_MS + 60_000,
  );
});
