import { drivers } from '@understudy/platforms';
import { eventually, testPair, withClient, type TestPair } from '@understudy/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scheduleWindow, startOrchestrator, type StartedOrchestrator } from './fixtures/contract.js';

describe('a rollout driven by the orchestrator alone, on a real pair', () => {
  let pair: TestPair;
  let product: StartedOrchestrator;

  beforeAll(async () => {
    pair = await testPair({ withNewer: true });
    const { definition, credentials } = pair.cluster;
    product = await startOrchestrator({ definitions: [definition], platforms: drivers, credentials });
  });

  afterAll(async () => {
    await product.stop();
    await pair.remove();
  });

  it('patches the standby, moves the workload, patches the original node, and says so', async () => {
    const window = await scheduleWindow(product, [pair.cluster.definition.slug], { source: 'release', targetVersion: '17.10' });
    const rolloutId = String(window.rollouts[0]?.id);
    const closed = async (): Promise<boolean> => (await product.get(`/v1/rollouts/${rolloutId}`)).body.status === 'closed';
    await eventually('the rollout is closed', closed, 150_000).catch(() => undefined);
    const report = await product.get(`/v1/rollouts/${rolloutId}/report`).expect(200);
    expect(report.body.result, JSON.stringify(report.body.story, null, 1)).toBe('succeeded');
    expect(report.body.interruption).toMatchObject({ measured: true, lostWrites: 0 });
    for (const node of pair.cluster.nodes) {
      const version = await withClient(node, pair.cluster.secrets.driver, 'postgres', (client) =>
        client.query('show server_version'),
      );
      expect(version.rows).toEqual([{ server_version: '17.10' }]);
    }
    const verify = await product.get(`/v1/rollouts/${rolloutId}/verify`).expect(200);
    expect(verify.body).toMatchObject({ intact: true });
  }, 200_000);
});
