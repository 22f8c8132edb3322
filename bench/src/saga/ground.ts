/**
 * Clusters that answer at once: one world each, with hosts whose jobs end as they begin. In a folder they survive the process: a
 * world is written there after each act and each job, and read when it is first asked for.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ClusterDefinition, PatchSet } from '@understudy/cluster';
import type { Host, HostJobs, PatchSource } from '@understudy/hosts';
import {
  planRollout,
  type GateInputs,
  type Playbook,
  type RolloutPlanned,
  type RolloutState,
  type StepKind,
} from '@understudy/orchestrator-domain';
import { simulatedDriver, simulatedHosts, SimulatedWorlds, type PlatformDriver } from '@understudy/platforms';
import { createWorld, install, nodeOf, type World } from '@understudy/simulated-cluster';

const OLD_VERSION = '17.9';
const NEW_VERSION = '17.10';
const WORKLOAD = 'main';
const WINDOW_MS = 8 * 3_600_000;
const PATCHES: PatchSet = {
  id: 'ps-1',
  items: [{ name: 'postgresql', targetVersion: NEW_VERSION, source: 'release', artifact: 'postgresql-17.10' }],
  advisories: ['CVE-2026-0001'],
  publishedAt: '2026-02-12T00:00:00.000Z',
};
/** Twelve steps remain: without the probe, which needs a host of its own, reboots, which nothing here asks for, and looks at the whole. */
const LEFT_OUT: readonly StepKind[] = ['start-probe', 'preflight', 'reboot', 'postflight', 'stop-probe'];
const PLAYBOOK: Playbook = {
  name: 'bench',
  version: 1,
  kind: 'patch',
  gates: [],
  phases: {
    switchoverTest: { enabled: false, andBack: false },
    failback: { enabled: false },
    soakMs: 0,
    interruptionBudgetMs: 10_000,
  },
  checks: [],
  pauseBefore: [],
  onFailure: 'rollback',
  maxUnavailable: 1,
  durations: {},
};

export function clusterNamed(slug: string): ClusterDefinition {
  const nodes = ['a', 'b'].map((name) => ({ slug: `${slug}-${name}`, host: `${slug}-host-${name}`, settings: {} }));
  return {
    slug,
    platform: 'simulated',
    environment: 'practice',
    workloads: [WORKLOAD],
    nodes,
    hosts: nodes.map(({ host }) => ({ slug: host, access: { kind: 'local', root: `/srv/${host}` }, patching: {} })),
    credentials: {},
    settings: { version: OLD_VERSION },
  };
}

export class Ground {
  readonly driver: PlatformDriver;
  private readonly worlds = new SimulatedWorlds();
  private readonly jobs = new Map<string, string>();
  /** Clusters by the hosts that carry them. */
  private readonly clusters = new Map<string, ClusterDefinition>();

  /** @param folder where worlds are kept; undefined: nowhere. */
  constructor(private readonly folder: string | undefined) {
    this.driver = simulatedDriver(this.worlds);
  }

  /** The cluster's world as it is; made or read at the first call. */
  worldOf(definition: ClusterDefinition): World {
    this.know(definition);
    return this.worlds.of(definition);
  }

  openHosts(definition: ClusterDefinition): Readonly<Record<string, Host>> {
    this.know(definition);
    const hosts = simulatedHosts(definition, this.worlds);
    return Object.fromEntries(Object.entries(hosts).map(([slug, host]) => [slug, this.answering(definition, host)]));
  }

  /** What the probe and the patch source of a real host would say and do. */
  readonly patchSource: PatchSource = {
    name: 'release',
    declares: { service: 'stopped', mayNeedReboot: false },
    check: () => Promise.reject(new Error('The gates of this benchmark do not ask the patch source.')),
    apply: (_host, item) => ({ argv: ['install', item.targetVersion] }),
    rollback: (_host, _item, previousVersion) => ({ argv: ['install', previousVersion] }),
    verify: ({ definition: { slug } }) => {
      const { installedVersion } = this.nodeOn(slug).disk;
      return Promise.resolve({ version: { installed: installedVersion }, rebootNeeded: false, checks: [] });
    },
  };

  private know(definition: ClusterDefinition): void {
    const [first] = definition.hosts;
    if (first === undefined || this.clusters.has(first.slug)) return;
    for (const { slug } of definition.hosts) this.clusters.set(slug, definition);
    const kept = this.fileOf(definition.slug);
    const nodes = definition.nodes.map(({ slug, host }) => ({ node: slug, host }));
    const pace = { startMs: 0, stopMs: 0, rebootMs: 0, bytesPerMs: 1_000_000 };
    const world =
      kept !== undefined && existsSync(kept)
        ? (JSON.parse(readFileSync(kept, 'utf8')) as World)
        : createWorld({ cluster: definition.slug, workload: WORKLOAD, nodes, version: OLD_VERSION, pace });
    this.worlds.change(definition, () => world);
  }

  private answering(definition: ClusterDefinition, host: Host): Host {
    const { journal } = host;
    const kept =
      <A extends readonly unknown[], T>(act: (...args: A) => Promise<T>) =>
      async (...args: A): Promise<T> => {
        const answer = await act(...args);
        this.keep(definition);
        return answer;
      };
    return {
      ...host,
      journal: { ...journal, raise: kept(journal.raise), end: kept(journal.end) },
      jobs: this.jobsOf(definition, host),
    };
  }

  /** A job installs what it says, in the moment in which it is started. */
  private jobsOf(definition: ClusterDefinition, { definition: { slug } }: Host): HostJobs {
    const at = new Date(0).toISOString();
    const journal = simulatedHosts(definition, this.worlds)[slug]?.journal;
    const state: HostJobs['state'] = (jobId) => {
      const done = this.worlds.of(definition).hosts[slug]?.journal.some(({ key }) => key === `jobs/${jobId}`);
      return Promise.resolve(done ? { status: 'exited', code: 0, startedAt: at, endedAt: at } : { status: 'absent' });
    };
    return {
      state,
      start: async ({ jobId, fence, argv: [, version = ''] }) => {
        const entered = await journal?.begin({ key: `jobs/${jobId}`, fence, deadlineMs: 0 });
        if (entered?.status === 'fenced') return entered;
        if (entered?.status !== 'begun') return { status: 'known' };
        this.worlds.change(definition, (world) => install(world, this.nodeOn(slug).node, version));
        await journal?.end({ key: `jobs/${jobId}`, fence, deadlineMs: 0 }, 0);
        this.keep(definition);
        return { status: 'started' };
      },
      output: (_jobId, fromByte) => Promise.resolve({ status: 'read', text: '', nextByte: fromByte }),
      stop: (jobId) => state(jobId, 0),
    };
  }

  private nodeOn(host: string): World['nodes'][string] {
    const definition = this.clusters.get(host);
    const node = definition?.nodes.find((candidate) => candidate.host === host);
    if (definition === undefined || node === undefined) throw new Error(`There is no host ${host}.`);
    return nodeOf(this.worlds.of(definition), node.slug);
  }

  private keep(definition: ClusterDefinition): void {
    const file = this.fileOf(definition.slug);
    if (file === undefined) return;
    writeFileSync(`${file}.new`, JSON.stringify(this.worlds.of(definition)));
    renameSync(`${file}.new`, file);
  }

  private fileOf(slug: string): string | undefined {
    return this.folder === undefined ? undefined : join(this.folder, `${slug}.json`);
  }
}

type GateState = Pick<RolloutState, 'drift'> & { readonly planned: Pick<RolloutPlanned, 'cluster'> | null };

/** Gates that are open: everything that they ask for is there. */
export async function gateInputs(ground: Ground, state: GateState, now: () => number): Promise<GateInputs> {
  const definition = state.planned?.cluster;
  if (definition === undefined) throw new Error('It has not been planned.');
  const hosts = ground.openHosts(definition);
  const snapshot = await ground.driver.observe({ definition, hosts, secrets: {}, now }, 1_000);
  return {
    snapshot,
    haLayer: { haLayer: 'application', rolling: true, reason: 'Streaming replication was seen.' },
    drift: state.drift,
    ticket: null,
    rehearsal: null,
    wayBack: definition.nodes.map(({ slug }) => ({
      node: slug,
      proven: true,
      applicable: true,
      detail: 'the old release is at hand',
    })),
    probe: { available: true, detail: 'Not used here.' },
    topologyFingerprint: fingerprintOf(definition),
    own: { systemIdentifiers: [], machineIds: [] },
    machineIds: {},
    claimed: {},
    neighbours: [],
  };
}

/** A rollout's plan as it would be made for that cluster now. */
export async function plannedFor(
  ground: Ground,
  rolloutId: string,
  definition: ClusterDefinition,
  now: () => number,
): Promise<RolloutPlanned> {
  const { snapshot } = await gateInputs(ground, { planned: { cluster: definition }, drift: null }, now);
  if (snapshot === null) throw new Error(`Cluster ${definition.slug} was not seen.`);
  const planning = planRollout({
    kind: 'patch',
    cluster: definition,
    workload: WORKLOAD,
    playbook: PLAYBOOK,
    patchSet: PATCHES,
    snapshot,
    versionPairs: { postgresql: { allowed: true, wayBack: 'lossless', reason: 'the same major version' } },
    writeSafety: 'The old active node is stopped and marked as a standby before the promotion.',
    cannotRollBecause: null,
    switchoverResult: null,
    noRollback: [],
    digest: (text) => `${text.length}`,
  });
  if (!('plan' in planning)) throw new Error(`No plan for ${definition.slug}: ${JSON.stringify(planning)}`);
  const at = now();
  const iso = (ms: number): string => new Date(ms).toISOString();
  return {
    rolloutId,
    windowId: 'w-1',
    kind: 'patch',
    cluster: definition,
    workload: WORKLOAD,
    playbook: PLAYBOOK,
    playbookHash: 'playbook',
    patchSet: PATCHES,
    patchSetHash: 'patches',
    plan: { ...planning.plan, steps: planning.plan.steps.filter(({ kind }) => !LEFT_OUT.includes(kind)) },
    noPlanBecause: null,
    binding: `${planning.plan.hash}`,
    topologyFingerprint: fingerprintOf(definition),
    opensAt: iso(at),
    closesAt: iso(at + WINDOW_MS),
    plannedBy: 'bench',
    at: iso(at),
    switchoverResult: {
      rolloutId: 'before',
      fingerprint: fingerprintOf(definition),
      at: iso(at),
      expiresAt: iso(at + WINDOW_MS),
      longestInterruptionMs: 300,
    },
  };
}

function fingerprintOf({ slug }: ClusterDefinition): string {
  return `topology of ${slug}`;
}
