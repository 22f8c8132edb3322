import { setTimeout as delay } from 'node:timers/promises';
import { boot, childrenOf, postmasterPid, testPair, withClient, type PracticeNode, type TestPair } from '@understudy/testing';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { platformContract } from '../contract.js';
import { promoting, type PromotingUnderTest } from '../fixtures/promoting/contract.js';
import { postgresStreaming } from './driver.js';

const WRITE_LIMIT_MS = 1_000;

platformContract(
  'postgres-streaming on a real cluster of three',
  10,
  async () => realCluster(await testPair({ nodes: 3, slug: 'contract' })),
  promoting,
);

function realCluster(pair: TestPair): PromotingUnderTest {
  const { cluster } = pair;
  const { secrets, database, probeTable } = cluster;
  const ledger: number[] = [];
  let sequence = 0;
  const nodeOf = (slug: string): PracticeNode => cluster.nodes.find((node) => node.slug === slug) as PracticeNode;
  const write = async (node: PracticeNode): Promise<boolean> => {
    const number = ++sequence;
    const insert = withClient(node, secrets.probe, database, async (client) => {
      await client.query(`set statement_timeout = ${WRITE_LIMIT_MS}`);
      await client.query(`insert into ${probeTable} (probe, sequence) values ('contract', $1)`, [number]);
      return true;
    }).catch(() => false);
    const acknowledged = await Promise.race([insert, delay(WRITE_LIMIT_MS, false)]);
    if (acknowledged) ledger.push(number);
    return acknowledged;
  };
  const activeNow = (): Promise<PracticeNode> => activeOf(pair);
  return {
    driver: postgresStreaming,
    workload: database,
    nodes: cluster.nodes.map((node) => node.slug),
    target: () => pair.target(),
    stopAct: 'stop-active',
    slow: false,
    writers: async () => {
      const took = await Promise.all(cluster.nodes.map(async (node) => ((await write(node)) ? [node.slug] : [])));
      return took.flat();
    },
    lostWrites: async () => {
      const rows = await withClient(
        await activeNow(),
        secrets.driver,
        database,
        async (client) => (await client.query(`select sequence::int from ${probeTable}`)).rows,
      );
      const found = new Set(rows.map((row: { sequence: number }) => row.sequence));
      return ledger.filter((number) => !found.has(number)).length;
    },
    startByHand: async (slug) => {
      const node = nodeOf(slug);
      boot(node);
      await answers(node, secrets.driver, database);
    },
    reboot: (slug) => {
      execFileSync(join(nodeOf(slug).root, 'reboot'), { stdio: 'ignore' });
      return Promise.resolve();
    },
    breakStart: (slug) => {
      const file = join(nodeOf(slug).root, 'data', 'postgresql.auto.conf');
      const before = readFileSync(file, 'utf8');
      writeFileSync(file, `${before}shared_preload_libraries = 'no_such_library'\n`);
      const mend = (): Promise<void> => Promise.resolve(writeFileSync(file, before));
      return Promise.resolve({ mend, says: /FATAL: +could not access file "no_such_library"/ });
    },
    freezeReceiver: async (slug) => {
      const pid = await walReceiver(nodeOf(slug));
      process.kill(pid, 'SIGSTOP');
      return () => Promise.resolve(void process.kill(pid, 'SIGCONT'));
    },
    requireSynchronous: async (nodes) => requireSynchronous(pair, await activeNow(), nodes),
    remove: () => pair.remove(),
  };
}

async function activeOf({ cluster: { nodes, secrets, database } }: TestPair): Promise<PracticeNode> {
  for (const node of nodes) {
    const standby = await withClient(
      node,
      secrets.driver,
      database,
      async (client) => (await client.query('select pg_is_in_recovery() as s')).rows[0].s,
    ).catch(() => true);
    if (!standby) return node;
  }
  throw new Error('No node is active.');
}

async function requireSynchronous(
  { cluster: { secrets, database } }: TestPair,
  active: PracticeNode,
  nodes: readonly string[] | undefined,
): Promise<void> {
  const value = nodes === undefined ? '' : nodes.map((name) => `"${name}"`).join(', ');
  const text =
    nodes === undefined
      ? 'alter system reset synchronous_standby_names'
      : `alter system set synchronous_standby_names = '${value}'`;
  await withClient(active, secrets.driver, database, async (client) => {
    await client.query(text);
    await client.query('select pg_reload_conf()');
  });
  await delay(100);
}

async function answers(node: PracticeNode, login: { user: string; password: string }, database: string): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const up = await withClient(node, login, database, () => Promise.resolve(true)).catch(() => false);
    if (up) return;
    await delay(20);
  }
}

async function walReceiver(node: PracticeNode): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const pid = childrenOf(postmasterPid(join(node.root, 'data')) ?? 0).find((child) =>
      execFileSync('ps', ['-o', 'args=', '-p', String(child)], { encoding: 'utf8' }).includes('walreceiver'),
    );
    if (pid !== undefined) return pid;
    await delay(20);
  }
  throw new Error(`Node ${node.slug} has no WAL receiver.`);
}
