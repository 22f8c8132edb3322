/** What the hosts themselves say: their journals' files and their PostgreSQL. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { withClient, type LedgerEntry, type PracticeNode, type TestPair } from '@understudy/testing/outside';
import { LOAD_TABLE } from './window.js';

/** An entry of a host's journal, read from its files as a person with root would. */
export interface JournalFile {
  readonly kind: 'acts' | 'jobs';
  /** As the orchestrator named it, e.g. `<step key>/<act name>/<n>`. */
  readonly key: string;
  readonly epoch: number;
  /** Exit code; undefined = no end is recorded. */
  readonly code: number | undefined;
}

/** All entries of a host, by key. */
export function journalOf(node: Pick<PracticeNode, 'root'>): readonly JournalFile[] {
  return (['acts', 'jobs'] as const).flatMap((kind) => {
    const folder = join(node.root, '.understudy/v1', kind);
    const names = existsSync(folder) ? readdirSync(folder).sort() : [];
    return names.filter((name) => existsSync(join(folder, name, 'claim'))).map((name) => entryOf(kind, join(folder, name), name));
  });
}

function entryOf(kind: JournalFile['kind'], folder: string, name: string): JournalFile {
  const [, epoch = ''] = readFileSync(join(folder, 'claim'), 'utf8').split(' ');
  const exit = join(folder, 'exit');
  const code = existsSync(exit) ? Number(readFileSync(exit, 'utf8').split(' ')[0]) : undefined;
  return { kind, key: name.replaceAll('!', '/'), epoch: Number(epoch), code };
}

const ACT = /^[0-9a-f-]{36}\/(?<step>[^/]+)\/\d+\/(?<act>.+)\/\d+$/;
const JOB = /^[0-9a-f-]{36}-(?<step>\d{2}-.+)-\d+$/;

/**
 * `<step id> <act>` of an entry, without the numbers of attempt and try; of a job `<step id> job`.
 * @throws for a key of another form: who compares must not pass over what it cannot read.
 */
function actOf({ kind, key }: JournalFile): string {
  const { step, act = 'job' } = (kind === 'acts' ? ACT : JOB).exec(key)?.groups ?? {};
  if (step === undefined) throw new Error(`An entry of ${kind} has a key of an unknown form: ${key}`);
  return `${step} ${act}`;
}

/** Preparations of a switchover that have to be fresh: they stop and promote nothing, and a look that they have aged repeats them. */
export const PREPARATIONS = / (record-position|checkpoint): /;

/** Exit code of the host's program: the precondition was gone, and nothing was changed. */
const PRECONDITION_GONE = 3;
/** Exit code of a start after which PostgreSQL did not run: what was tried has come to nothing, and may be tried again. */
const DID_NOT_START = 4;
/** Sent over SQL after they were entered: without an end nobody knows whether they were sent, and one that was refused changed nothing. */
const BY_SQL: readonly string[] = ['create-slots', 'drop-slots', 'checkpoint', 'promote'];

/**
 * Whether the host did what the entry stands for, as far as its journal can say: with whatever exit code, and also where none was
 * recorded, for then it was cut off in the middle. A promotion without an end is left to PostgreSQL's own history of timelines.
 */
function wasExecuted(entry: JournalFile): boolean {
  if (entry.kind === 'jobs') return true;
  const act = ACT.exec(entry.key)?.groups?.['act'] ?? '';
  if (BY_SQL.includes(act)) return entry.code === 0;
  return entry.code !== PRECONDITION_GONE && !(act === 'start' && entry.code === DID_NOT_START);
}

/** Acts and jobs that one host executed more than once, under whatever attempt and number: `<step> <act>: n times (their codes)`. */
export function repeated(entries: readonly JournalFile[]): readonly string[] {
  const codes = new Map<string, string[]>();
  for (const entry of entries) {
    const act = actOf(entry);
    if (wasExecuted(entry)) codes.set(act, [...(codes.get(act) ?? []), String(entry.code ?? 'no end')]);
  }
  const twice = [...codes].filter(([, each]) => each.length > 1);
  return twice.map(([act, each]) => `${act}: ${each.length} times (${each.join(', ')})`);
}

/** As `repeated`, of several hosts: `<host> <step> <act>: n times (their codes)`. */
export function doneTwice(nodes: readonly Pick<PracticeNode, 'slug' | 'root'>[]): readonly string[] {
  return nodes.flatMap((node) => repeated(journalOf(node)).map((act) => `${node.slug} ${act}`));
}

/** The steps for which a host has something entered. */
export function stepsWithActs(node: PracticeNode): readonly string[] {
  return [...new Set(journalOf(node).map((entry) => actOf(entry).split(' ')[0] ?? ''))].sort();
}

/** What each node says of itself; undefined where it does not answer. */
export interface NodeFacts {
  readonly slug: string;
  readonly version: string;
  readonly standby: boolean;
  /** Of the checkpoint's timeline; each promotion adds one, a new cluster begins with 1. */
  readonly timeline: number;
}

export function factsOf({ cluster }: TestPair): Promise<readonly NodeFacts[]> {
  return Promise.all(
    cluster.nodes.map((node) =>
      withClient(node, cluster.secrets.driver, 'postgres', async (client) => {
        const text = `select current_setting('server_version') as version, pg_is_in_recovery() as standby,
          case when pg_is_in_recovery() then (select received_tli from pg_stat_wal_receiver)
               else ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int end as timeline`;
        const { rows } = await client.query<Omit<NodeFacts, 'slug'>>(text);
        const [row] = rows;
        if (row === undefined) throw new Error(`${node.slug} answered nothing.`);
        return { slug: node.slug, ...row };
      }),
    ),
  );
}

/** Acknowledged writes of the ledger that the node which serves now does not have. */
export async function lostWrites({ cluster }: TestPair, ledger: readonly LedgerEntry[], serving: string): Promise<number> {
  const acknowledged = ledger.filter((entry) => entry.kind === 'ack').map((entry) => entry.n);
  const node = cluster.nodes.find(({ slug }) => slug === serving);
  if (node === undefined) throw new Error(`The cluster has no node ${serving}.`);
  return withClient(node, cluster.secrets.application, cluster.database, async (client) => {
    const { rows } = await client.query(`select n from ${LOAD_TABLE} where n = any($1::bigint[])`, [acknowledged]);
    return acknowledged.length - rows.length;
  });
}
