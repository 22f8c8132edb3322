/** A window over a practice pair of its own, opened by REST as a user would, under a client's writes. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  postgresBinaries,
  startLoad,
  testPair,
  withClient,
  type LedgerEntry,
  type LoadWorker,
  type PracticeNode,
  type TestPair,
} from '@understudy/testing/outside';
import type { Rest } from './rest.js';
import { rolloutOf, WatchedRollout } from './rollout.js';
import type { Undo } from './undo.js';

/** What a window needs of an installation. */
export interface WindowGround {
  /** Ledgers lie here. */
  readonly folder: string;
  readonly rest: Rest;
  readonly undo: Undo;
}

const MINUTE_MS = 60_000;
const DEFAULT_WINDOW_MINUTES = 30;
const LOAD_TIMEOUT_MS = 1_000;
export const LOAD_INTERVAL_MS = 10;
export const LOAD_TABLE = 'load.writes';

export interface WindowOptions {
  /** The cluster's, and the name of its playbook; used once per system. */
  readonly slug: string;
  /** Of the playbook's soak steps. Default 500. */
  readonly soakMs?: number;
  /** When it opens; default: now. */
  readonly opensAt?: Date;
  /** Or: how long after it was scheduled. */
  readonly opensInMs?: number;
  /** Between its opening and its close. Default 30. */
  readonly minutes?: number;
  /** Done to the pair before it is registered. */
  readonly prepare?: (pair: TestPair) => void;
  /** Merged over the playbook. */
  readonly playbook?: Readonly<Record<string, unknown>>;
  /** Of the cluster; default `practice`, where neither a ticket nor an approval is asked for. */
  readonly environment?: 'production' | 'lab' | 'practice';
  /** Change tickets without which it does not go on. */
  readonly tickets?: readonly unknown[];
}

/** What belongs to a window. */
export interface PairWindowParts {
  readonly pair: TestPair;
  readonly windowId: string;
  readonly rolloutId: string;
  readonly load: LoadWorker;
  readonly ledgerFile: string;
}

export class PairWindow extends WatchedRollout {
  constructor(
    rest: Rest,
    private readonly parts: PairWindowParts,
  ) {
    super(rest, parts.rolloutId);
  }

  get pair(): TestPair {
    return this.parts.pair;
  }

  get windowId(): string {
    return this.parts.windowId;
  }

  /** What the load client acknowledged and gave up, as lines of JSON. */
  get ledgerFile(): string {
    return this.parts.ledgerFile;
  }

  /** The version that the patch brings. */
  get targetVersion(): string {
    return postgresBinaries('newer').version;
  }

  get nodes(): readonly PracticeNode[] {
    return this.pair.cluster.nodes;
  }

  /** Ends the client's load and answers its whole ledger. */
  endLoad(): Promise<readonly LedgerEntry[]> {
    return this.parts.load.stop();
  }
}

/** Builds the pair, starts the load, registers everything and schedules the window; returns when its rollout is planned. */
export async function openWindow(system: WindowGround, options: WindowOptions): Promise<PairWindow> {
  const pair = await testPair({ withNewer: true, slug: options.slug });
  system.undo.defer(`pair ${options.slug}`, () => pair.remove());
  options.prepare?.(pair);
  const ledgerFile = join(system.folder, `${options.slug}-ledger.ndjson`);
  const load = await loaded(pair, ledgerFile);
  system.undo.defer(`load of ${options.slug}`, async () => void (await load.stop()));
  await register(system, pair, options);
  const windowId = await schedule(system, options);
  const rolloutId = await rolloutOf(system.rest, windowId);
  return new PairWindow(system.rest, { pair, windowId, rolloutId, load, ledgerFile });
}

async function loaded({ cluster }: TestPair, ledger: string): Promise<LoadWorker> {
  const { application } = cluster.secrets;
  const [first] = cluster.nodes;
  if (first === undefined) throw new Error('The pair has no nodes.');
  await withClient(first, application, cluster.database, async (client) => {
    await client.query('create schema load');
    await client.query(`create table ${LOAD_TABLE} (n bigint primary key, at timestamptz not null)`);
  });
  return startLoad({
    nodes: cluster.nodes.map(({ slug, address, port }) => ({ name: slug, host: address, port })),
    database: cluster.database,
    ...application,
    table: LOAD_TABLE,
    ledger,
    intervalMs: LOAD_INTERVAL_MS,
    timeoutMs: LOAD_TIMEOUT_MS,
  });
}

async function register(
  { rest }: WindowGround,
  { cluster }: TestPair,
  { environment = 'practice' }: WindowOptions,
): Promise<void> {
  const secrets = join(cluster.folder, '.secrets');
  mkdirSync(secrets, { mode: 0o700 });
  for (const [name, login] of Object.entries(cluster.credentials)) {
    const file = join(secrets, name);
    writeFileSync(file, login.password, { mode: 0o600 });
    const hosts = [...new Set(cluster.nodes.map(({ address }) => address))];
    await rest.put(`/v1/credentials/${name}`, { user: login.user, source: `file:${file}`, hosts });
  }
  await rest.post('/v1/clusters', { ...cluster.definition, environment });
}

async function schedule({ rest }: WindowGround, options: WindowOptions): Promise<string> {
  const { version } = postgresBinaries('newer');
  const now = new Date();
  const opensAt = options.opensAt ?? new Date(now.getTime() + (options.opensInMs ?? 0));
  const patchSet = await rest.post<{ id: string }>('/v1/patch-sets', {
    items: [{ name: 'postgresql', targetVersion: version, source: 'release', artifact: `postgresql-${version}` }],
    advisories: [],
    // The log's clock may be a little behind ours.
    publishedAt: new Date(now.getTime() - MINUTE_MS).toISOString(),
  });
  await rest.put(`/v1/playbooks/${options.slug}`, playbookOf(options));
  const window = await rest.post<{ id: string }>('/v1/windows', {
    kind: 'patch',
    clusters: [options.slug],
    patchSetId: patchSet.id,
    playbook: { name: options.slug },
    opensAt: opensAt.toISOString(),
    closesAt: new Date(opensAt.getTime() + (options.minutes ?? DEFAULT_WINDOW_MINUTES) * MINUTE_MS).toISOString(),
    tickets: options.tickets ?? [],
  });
  return window.id;
}

function playbookOf({ slug, soakMs = 500, playbook = {} }: WindowOptions): unknown {
  return {
    name: slug,
    version: 1,
    kind: 'patch',
    gates: [
      { gate: 'drift', maxAgeMs: 10 * MINUTE_MS },
      { gate: 'switchover-test', maxAgeMs: 60 * MINUTE_MS },
    ],
    phases: {
      switchoverTest: { enabled: true, andBack: true },
      failback: { enabled: false },
      soakMs,
      interruptionBudgetMs: 10_000,
    },
    checks: [{ name: 'rows-can-be-counted', kind: 'sql', sql: 'select 1', expect: '1' }],
    pauseBefore: [],
    onFailure: 'rollback',
    maxUnavailable: 1,
    durations: { drain: 3_000, patch: 3_000, unpatch: 3_000, reboot: 5_000, join: 4_000 },
    ...playbook,
  };
}
