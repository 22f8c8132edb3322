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
import type { Undo } from './undo.js';
import { waitFor } from './waiting.js';

/** What a window needs of an installation. */
export interface WindowGround {
  /** Ledgers lie here. */
  readonly folder: string;
  readonly rest: Rest;
  readonly undo: Undo;
}

const MINUTE_MS = 60_000;
const DEFAULT_WINDOW_MINUTES = 30;
const PLANNED_WITHIN_MS = 60_000;
const LOAD_TIMEOUT_MS = 1_000;
export const LOAD_INTERVAL_MS = 10;
export const LOAD_TABLE = 'load.writes';

/** A recorded event as the API exports it, as JSON and as NDJSON. */
export interface RecordedEvent {
  readonly position: number;
  readonly stream: string;
  readonly version: number;
  readonly type: string;
  readonly schemaVersion: number;
  readonly time: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly body: Readonly<Record<string, unknown>>;
  readonly hash: string;
}

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

/** A step of the plan in force. */
export interface PlannedStep {
  readonly stepId: string;
  readonly kind: string;
  readonly phase: string;
  readonly node?: string;
}

/** What belongs to a window. */
export interface PairWindowParts {
  readonly pair: TestPair;
  readonly windowId: string;
  readonly rolloutId: string;
  readonly load: LoadWorker;
  readonly ledgerFile: string;
}

export class PairWindow {
  constructor(
    private readonly system: WindowGround,
    private readonly parts: PairWindowParts,
  ) {}

  get pair(): TestPair {
    return this.parts.pair;
  }

  get windowId(): string {
    return this.parts.windowId;
  }

  get rolloutId(): string {
    return this.parts.rolloutId;
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

  /** All that is recorded by now, by REST. */
  async events(): Promise<readonly RecordedEvent[]> {
    const { items } = await this.system.rest.get<{ items: readonly RecordedEvent[] }>(`/v1/rollouts/${this.rolloutId}/events`);
    return items;
  }

  /** Waits for the first recorded event that is meant. */
  async saw(what: string, limitMs: number, meant: (event: RecordedEvent) => boolean): Promise<RecordedEvent> {
    const seen: RecordedEvent[] = [];
    const look = async (): Promise<RecordedEvent | undefined> => {
      seen.splice(0, seen.length, ...(await this.events()));
      return seen.find(meant);
    };
    return waitFor(`${what} in rollout ${this.rolloutId}`, limitMs, look).catch((error: unknown) => {
      throw new Error(`${String(error)} Recorded last:\n${storyOf(seen)}`, { cause: error });
    });
  }

  /** The steps of the plan in force, in order. */
  async steps(): Promise<readonly PlannedStep[]> {
    const path = `/v1/rollouts/${this.rolloutId}/plan`;
    return (await this.system.rest.get<{ plan: { steps: readonly PlannedStep[] } }>(path)).plan.steps;
  }

  /** The planned step of that kind on that node, or the first of the kind. */
  async step(kind: string, node?: string): Promise<PlannedStep> {
    const steps = await this.steps();
    const found = steps.find((step) => step.kind === kind && (node === undefined || step.node === node));
    if (found === undefined) throw new Error(`The plan has no step ${kind} ${node ?? ''}: ${JSON.stringify(steps)}`);
    return found;
  }

  /** Waits until a step was asked for; answers the event. */
  requested(stepId: string, limitMs: number): Promise<RecordedEvent> {
    return this.saw(`${stepId} requested`, limitMs, ({ type, body }) => type === 'StepRequested' && body['stepId'] === stepId);
  }

  /** Waits for the end; answers its `RolloutClosed`. */
  closed(limitMs: number): Promise<RecordedEvent> {
    return this.saw('the end', limitMs, ({ type }) => type === 'RolloutClosed');
  }

  /** Ends the client's load and answers its whole ledger. */
  endLoad(): Promise<readonly LedgerEntry[]> {
    return this.parts.load.stop();
  }
}

const STORY_EVENTS = 30;
const STORY_BODY_CHARACTERS = 300;

/** The end of what was recorded, for a person. */
function storyOf(events: readonly RecordedEvent[]): string {
  return events
    .slice(-STORY_EVENTS)
    .map(({ version, time, type, body }) => `${version} ${time} ${type} ${JSON.stringify(body).slice(0, STORY_BODY_CHARACTERS)}`)
    .join('\n');
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
  const rolloutId = await rolloutOf(system, windowId);
  return new PairWindow(system, { pair, windowId, rolloutId, load, ledgerFile });
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

/** The window's rollout is planned by a reaction of the product's. */
function rolloutOf({ rest }: WindowGround, windowId: string): Promise<string> {
  return waitFor(`the rollout of window ${windowId} to be planned`, PLANNED_WITHIN_MS, async () => {
    const { rollouts } = await rest.get<{ rollouts: readonly { readonly id: string }[] }>(`/v1/windows/${windowId}`);
    return rollouts[0]?.id;
  });
}
