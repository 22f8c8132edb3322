import type { Finding } from '@understudy/drift-domain';
import { compare } from '@understudy/drift-domain';
import { openDriver } from '@understudy/platforms';
import { latentFaults, plantFault, testPair } from '@understudy/testing';
import type { LatentFault, TestPair } from '@understudy/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** What blocks, by fault: a standby that streams as if nothing were wrong. */
const blocks: Readonly<Record<LatentFault, string>> = {
  authentication: 'authentication host app application 127.0.0.1/255.255.255.255',
  'synchronous-names': 'setting synchronous_standby_names',
  'missing-library': 'library $libdir/pg_walinspect',
  'read-only-default': 'setting default_transaction_read_only',
  'dead-archiving': 'archiving WAL',
  'lower-limit': 'setting max_wal_senders',
  'expired-certificate': 'certificate server',
};

describe('what a driver collects of a real pair, compared', () => {
  const driver = openDriver('postgres-streaming', { allowSimulated: false });
  let pair: TestPair;
  beforeAll(async () => {
    pair = await testPair({ slug: 'compared' });
  });
  afterAll(() => pair?.remove());

  async function findings(): Promise<readonly Finding[]> {
    const nodes = await driver.facts(pair.target(), (value) => `#${value}`, 10_000);
    const [active = '', standby = ''] = pair.cluster.nodes.map((node) => node.slug);
    const described = { cluster: 'compared', platform: driver.platform, environment: 'practice' } as const;
    const compared = compare(described, [active, standby], { nodes, activeNode: active }, [], []);
    expect(compared.incomplete).toEqual([]);
    return compared.findings.map(({ finding }) => finding);
  }
  const blocking = async (): Promise<readonly string[]> =>
    (await findings()).filter(({ severity }) => severity === 'blocking').map(({ area, name }) => `${area} ${name}`);

  it('a healthy pair has no findings at all', async () => {
    expect(await findings()).toEqual([]);
  });

  it.each(latentFaults)('%s blocks, on the standby alone, until it is mended', async (fault) => {
    const planted = await plantFault(pair.cluster, 'compared-b', fault);
    try {
      await expect.poll(blocking, { timeout: 5_000 }).toContain(blocks[fault]);
      expect(new Set((await findings()).map(({ node }) => node))).toEqual(new Set(['compared-b']));
    } finally {
      await planted.mend();
    }
    await expect.poll(findings, { timeout: 5_000 }).toEqual([]);
  });
});
