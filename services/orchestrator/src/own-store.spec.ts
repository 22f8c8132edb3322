import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { openHosts } from '@understudy/hosts';
import { drivers } from '@understudy/platforms';
import { eventually, postmasterPid, testPair, withClient, type TestPair, type TestPostgres } from '@understudy/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scheduleWindow, startOrchestrator, type StartedOrchestrator } from './fixtures/contract.js';

const REFUSED_WITHIN_MS = 60_000;
const READ_WITHIN_MS = 10_000;

/** The pair's active node as the server of our own store: its superuser makes the database, our roles may come in. */
async function storeOn(pair: TestPair): Promise<TestPostgres> {
  const [active] = pair.cluster.nodes;
  if (!active) throw new Error('The pair has no node.');
  const { driver } = pair.cluster.secrets;
  appendFileSync(join(active.root, 'data', 'pg_hba.conf'), 'host all all 127.0.0.1/32 scram-sha-256\n');
  await withClient(active, driver, 'postgres', (client) => client.query('select pg_reload_conf()'));
  return {
    host: '127.0.0.1',
    port: active.port,
    pid: postmasterPid(join(active.root, 'data')) ?? 0,
    version: '17.9',
    dataFolder: join(active.root, 'data'),
    adminConnectionString: (database = 'postgres') =>
      `postgresql://${driver.user}:${encodeURIComponent(driver.password)}@127.0.0.1:${active.port}/${database}`,
    ended: new Promise(() => undefined),
    stop: () => Promise.resolve(),
    killAndRestart: () => Promise.reject(new Error('The pair starts and stops its own nodes.')),
    beforeStop: () => undefined,
  };
}

describe('a rollout of the cluster that carries the orchestrator’s own store', () => {
  let pair: TestPair;
  let product: StartedOrchestrator;

  beforeAll(async () => {
    pair = await testPair({ withNewer: true });
    const { definition, credentials } = pair.cluster;
    product = await startOrchestrator({
      definitions: [definition],
      platforms: drivers,
      credentials,
      storeOn: await storeOn(pair),
    });
  });

  afterAll(async () => {
    await product?.stop();
    await product?.store.close();
    await pair?.remove();
  });

  const versions = (): Promise<readonly unknown[]> =>
    Promise.all(
      pair.cluster.nodes.map((node) =>
        withClient(node, pair.cluster.secrets.driver, 'postgres', async (client) => {
          const { rows } = await client.query<object>(
            `select current_setting('server_version') as version, pg_is_in_recovery() as standby`,
          );
          return rows[0];
        }),
      ),
    );

  it('is refused by its identity, with the reason, and nothing was touched', async () => {
    const before = await versions();
    const window = await scheduleWindow(product, [pair.cluster.definition.slug], { source: 'release', targetVersion: '17.10' });
    const rolloutId = String(window.rollouts[0]?.id);
    await eventually(
      'the rollout is closed',
      async () => (await product.get(`/v1/rollouts/${rolloutId}`)).body.status === 'closed',
      REFUSED_WITHIN_MS,
    );
    const { body } = await product.get(`/v1/rollouts/${rolloutId}`).expect(200);
    expect(body.result).toBe('refused');
    expect(body.state.gates.topology).toMatchObject({
      status: 'closed',
      reason: expect.stringMatching(/^practice-a carries the orchestrator's own store\.$/) as string,
      whoCanChangeIt: 'nobody: the orchestrator never patches what it stands on',
    });
    const { body: report } = await product.get(`/v1/rollouts/${rolloutId}/report`).expect(200);
    expect(JSON.stringify(report.story)).toContain("carries the orchestrator's own store.");

    const events = await product.store.log.readAll(0, 10_000);
    expect(events.map((event) => event.type)).not.toContain('StepRequested');
    const hosts = openHosts(pair.cluster.definition.hosts);
    for (const host of Object.values(hosts)) {
      expect(await host.journal.entries('', READ_WITHIN_MS)).toEqual({ status: 'read', entries: [] });
      await host.access.close();
    }
    expect(await versions()).toEqual(before);
  });
});
