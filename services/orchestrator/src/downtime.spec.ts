import { drivers } from '@understudy/platforms';
import { eventually, testPair, withClient, type TestPair } from '@understudy/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scheduleWindow, startOrchestrator, type StartedOrchestrator } from './fixtures/contract.js';

const CLOSED_WITHIN_MS = 300_000;
const BUDGET_MS = 240_000;

describe('a cluster of one real node', () => {
  let alone: TestPair;
  let product: StartedOrchestrator;

  beforeAll(async () => {
    alone = await testPair({ nodes: 1, withNewer: true });
    const { definition, credentials } = alone.cluster;
    product = await startOrchestrator({ definitions: [definition], platforms: drivers, credentials });
    product.others.classification = { haLayer: 'none', rolling: false, reason: 'one node is registered and no standby was seen' };
  }, 120_000);

  afterAll(async () => {
    await product?.stop();
    await alone?.remove();
  });

  const started = (): Promise<readonly { version: string; started: string }[]> =>
    withClient(alone.cluster.nodes[0] as never, alone.cluster.secrets.driver, 'postgres', async (client) => {
      const { rows } = await client.query<{ version: string; started: string }>(
        `select current_setting('server_version') as version, pg_postmaster_start_time()::text as started`,
      );
      return rows;
    });

  const ended = async (rolloutId: string): Promise<Record<string, unknown>> => {
    await eventually(
      'the rollout ends or stands',
      async () => ['closed', 'held'].includes(String((await product.get(`/v1/rollouts/${rolloutId}`)).body.status)),
      CLOSED_WITHIN_MS,
    );
    return (await product.get(`/v1/rollouts/${rolloutId}/report`)).body as Record<string, unknown>;
  };

  it('is refused a downtime whose budget is missing, or too small for what is expected', async () => {
    const { slug } = alone.cluster.definition;
    await expect(
      scheduleWindow(product, [slug], { source: 'release', targetVersion: '17.10' }, { kind: 'downtime' }),
    ).rejects.toThrow();
    const more = { kind: 'downtime', outageBudgetMs: 1_000 };
    const window = await scheduleWindow(product, [slug], { source: 'release', targetVersion: '17.10' }, more);
    const report = await ended(String(window.rollouts[0]?.id));
    expect(report).toMatchObject({ result: 'refused', reason: expect.stringContaining('the outage budget is 1000 ms') });
  });

  it(
    'is stopped, patched, started and validated within the approved outage, and the outage is measured from outside',
    async () => {
      const [before] = await started();
      const { slug } = alone.cluster.definition;
      const more = { kind: 'downtime', outageBudgetMs: BUDGET_MS };
      const window = await scheduleWindow(product, [slug], { source: 'release', targetVersion: '17.10' }, more);
      expect(window).toMatchObject({ kind: 'downtime', outageBudgetMs: BUDGET_MS });
      const report = await ended(String(window.rollouts[0]?.id));
      expect(report['result'], JSON.stringify(report['story'], null, 1)).toBe('succeeded');
      const outage = report['outage'] as { readonly outageMs: number };
      expect(report['outage']).toMatchObject({ budgetMs: BUDGET_MS, exceeded: false });
      const interruption = report['interruption'] as { readonly longestMs: number; readonly sumMs: number };
      expect(report['interruption']).toMatchObject({ measured: true, lostWrites: 0 });
      expect(interruption.longestMs).toBeGreaterThan(0);
      expect(interruption.sumMs).toBeLessThanOrEqual(outage.outageMs + 1_000);
      const [after] = await started();
      expect([before?.version, after?.version]).toEqual(['17.9', '17.10']);
      expect(after?.started).not.toBe(before?.started);
    },
    CLOSED_WITHIN_MS + 60_000,
  );
});
