import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { latentFaults, plantFault, testPair, withClient, type LatentFault, type TestPair } from '@understudy/testing';
import type { Fact, NodeFacts } from '../platform.js';
import { postgresStreaming } from './driver.js';

const hash = (value: string): string => `#${value.length}`;

/** Where each fault shows in the facts of a standby that streams as if nothing were wrong. */
const shows: Readonly<Record<LatentFault, (facts: readonly Fact[], active: readonly Fact[]) => boolean>> = {
  authentication: (facts, active) =>
    missing(facts, active, 'authentication').includes('host app application 127.0.0.1/255.255.255.255'),
  'synchronous-names': (facts) => valueOf(facts, 'setting', 'synchronous_standby_names') === 'a_standby_that_is_gone',
  'missing-library': (facts, active) => missing(facts, active, 'library').includes('$libdir/pg_walinspect'),
  'read-only-default': (facts) => valueOf(facts, 'setting', 'default_transaction_read_only') === 'on',
  'dead-archiving': (facts) => /^dead/.test(valueOf(facts, 'archiving', 'WAL') ?? ''),
  'lower-limit': (facts) => Number(valueOf(facts, 'setting', 'max_wal_senders')) < 10,
  'expired-certificate': (facts) => Date.parse(valueOf(facts, 'certificate', 'server') ?? '') < Date.now(),
};

/** Faults that the built-in validation of a standby finds by itself, with the check that says so. */
const fails: Partial<Record<LatentFault, string>> = {
  'synchronous-names': 'synchronous-names',
  'missing-library': 'libraries',
  'read-only-default': 'writes-by-default',
  'dead-archiving': 'archiving',
};

function valueOf(facts: readonly Fact[], area: string, name: string): string | undefined {
  return facts.find((fact) => fact.area === area && fact.name === name)?.value;
}

function missing(facts: readonly Fact[], active: readonly Fact[], area: string): readonly string[] {
  return active
    .filter((fact) => fact.area === area && !facts.some((other) => other.area === area && other.name === fact.name))
    .map(({ name }) => name);
}

describe('latent faults of a standby that streams', () => {
  let pair: TestPair;
  beforeAll(async () => {
    pair = await testPair({ slug: 'latent' });
  });
  afterAll(() => pair?.remove());

  const collect = async (): Promise<readonly [NodeFacts, NodeFacts]> => {
    const [active, standby] = await postgresStreaming.facts(pair.target(), hash, 10_000);
    return [active as NodeFacts, standby as NodeFacts];
  };
  const failed = async (): Promise<readonly string[]> => {
    const checks = await postgresStreaming.validate(pair.target(), 'app', 'latent-b', false, 10_000);
    return checks.filter(({ passed }) => passed !== true).map(({ check }) => check);
  };

  it('a healthy pair has equal facts where a difference would matter, and everything was collected', async () => {
    const [active, standby] = await collect();
    expect([...active.missing, ...standby.missing]).toEqual([]);
    for (const area of ['authentication', 'extension', 'library', 'collation', 'archiving']) {
      const of = (node: NodeFacts): readonly Fact[] => node.facts.filter((fact) => fact.area === area);
      expect(of(standby), area).toEqual(of(active));
      expect(of(active).length, area).toBeGreaterThan(0);
    }
    const differing = active.facts.filter(
      (fact) => fact.area === 'setting' && valueOf(standby.facts, 'setting', fact.name) !== fact.value,
    );
    expect(differing.map(({ name }) => name).sort()).toEqual(
      [
        'cluster_name',
        'data_directory',
        'config_file',
        'hba_file',
        'ident_file',
        'port',
        'primary_conninfo',
        'primary_slot_name',
      ].sort(),
    );
    expect(await failed()).toEqual([]);
  });

  it.each(latentFaults)('%s shows in the facts, streams on, and is gone when it is mended', async (fault) => {
    const [active] = await collect();
    const planted = await plantFault(pair.cluster, 'latent-b', fault);
    try {
      await expect.poll(async () => shows[fault]((await collect())[1].facts, active.facts), { timeout: 5_000 }).toBe(true);
      const seen = await postgresStreaming.observe(pair.target(), 10_000);
      expect(seen.nodes[1], 'it streams healthily').toMatchObject({ joined: true, availability: 'serving' });
      const check = fails[fault];
      if (check !== undefined) expect(await failed()).toEqual([check]);
    } finally {
      await planted.mend();
    }
    await expect.poll(async () => shows[fault]((await collect())[1].facts, active.facts), { timeout: 5_000 }).toBe(false);
    await expect.poll(failed, { timeout: 5_000 }).toEqual([]);
  });

  it('a password planted in primary_conninfo leaves the driver nowhere', async () => {
    const standby = pair.cluster.nodes[1]!;
    const { driver } = pair.cluster.secrets;
    const before = await withClient(
      standby,
      driver,
      'app',
      async (client) => (await client.query('show primary_conninfo')).rows[0].primary_conninfo as string,
    );
    const set = async (value: string): Promise<void> =>
      withClient(standby, driver, 'app', async (client) => {
        await client.query(`alter system set primary_conninfo = '${value.replaceAll("'", "''")}'`);
        await client.query('select pg_reload_conf()');
      });
    await set(`${before} password=canary-4711`);
    const said = JSON.stringify([
      await postgresStreaming.facts(pair.target(), hash, 10_000),
      await postgresStreaming.observe(pair.target(), 10_000),
      await postgresStreaming.preflight(pair.target(), 'app', 10_000),
      await postgresStreaming.evidence(pair.target(), 10_000),
    ]);
    await set(before);
    expect(said).toContain('host=127.0.0.1');
    expect(said).not.toContain('canary-4711');
  });
});
