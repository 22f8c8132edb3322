/**
 * Clusters that answer at once, with hosts whose jobs end as they begin. In a folder they survive the process: a cluster is written
 * there with each act and each job.
 */
import { tableOf, type ClusterDefinition, type ClusterSnapshot, type NodeSnapshot, type PatchSet } from '@understudy/cluster';
import type { Fence, Host, HostJobs, HostJournal, PatchSource } from '@understudy/hosts';
import {
  planRollout,
  type GateInputs,
  type Playbook,
  type RolloutPlanned,
  type RolloutState,
  type StepKind,
} from '@understudy/orchestrator-domain';
import type { ClusterTarget, PlatformDriver, VerbRequest, VerbResult } from '@understudy/platforms';
import { Kept } from './kept.js';

const OLD_VERSION = '17.9';
const NEW_VERSION = '17.10';
const WORKLOAD = 'main';
const WINDOW_MS = 8 * 3_600_000;
const ACT_LIMIT_MS = 10_000;
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
    settings: {},
  };
}

interface Node {
  readonly slug: string;
  readonly host: string;
  /** `joined`: it runs what is installed and is not released yet. */
  state: 'serving' | 'drained' | 'joined';
  installed: string;
  running: string;
}

interface Machine {
  readonly host: string;
  fence: Fence | null;
  /** Keys of acts and jobs, in the order in which they were entered. */
  readonly journal: string[];
}

/** One pair, as plain data. */
export interface Cluster {
  readonly slug: string;
  active: string;
  readonly nodes: readonly Node[];
  readonly machines: readonly Machine[];
}

const DONE: VerbResult['acts'] = [];

/** Clusters that do what they are told in the moment in which they are told. */
export class Ground {
  private readonly clusters = new Map<string, Cluster>();
  private readonly byHost = new Map<string, Cluster>();
  private readonly kept: Kept<Cluster> | undefined;

  /** @param folder where clusters are kept; undefined: nowhere. */
  constructor(folder: string | undefined) {
    this.kept = folder === undefined ? undefined : Kept.open(folder);
  }

  readonly driver: PlatformDriver = {
    platform: 'simulated',
    writeSafety: 'One node is the active one at any moment.',
    settings: { cluster: [], node: [] },
    evidence: () => Promise.resolve([]),
    observe: ({ definition, now }) => Promise.resolve(this.picture(definition, now())),
    preflight: () => Promise.resolve([{ check: 'healthy', passed: true, detail: 'Both nodes serve.' }]),
    validate: (_target, _workload, node) => Promise.resolve([{ check: 'answers', node, passed: true, detail: 'It answers.' }]),
    facts: () => Promise.resolve([]),
    versionPair: () => ({ allowed: true, wayBack: 'lossless', reason: 'the same major version' }),
    fingerprintInput: ({ cluster }) => cluster,
    perform: (target, request) => this.perform(target, request),
  };

  readonly patchSource: PatchSource = {
    name: 'release',
    declares: { service: 'stopped', mayNeedReboot: false },
    check: () => Promise.reject(new Error('The gates of this benchmark do not ask the patch source.')),
    apply: (_host, item) => ({ argv: ['install', item.targetVersion] }),
    rollback: (_host, _item, previousVersion) => ({ argv: ['install', previousVersion] }),
    verify: ({ definition: { slug } }) =>
      Promise.resolve({ version: { installed: nodeOn(this.clusterOn(slug), slug).installed }, rebootNeeded: false, checks: [] }),
  };

  openHosts(definition: ClusterDefinition): Readonly<Record<string, Host>> {
    const cluster = this.clusterOf(definition);
    const hosts = definition.hosts.map((host): readonly [string, Host] => {
      const machine = cluster.machines.find((each) => each.host === host.slug) as Machine;
      const journal = new Journal(machine, cluster, this.kept);
      return [host.slug, { definition: host, access: NO_ACCESS, journal, jobs: new Jobs(journal) }];
    });
    return tableOf(hosts);
  }

  private clusterOf(definition: ClusterDefinition): Cluster {
    const known = this.clusters.get(definition.slug);
    if (known !== undefined) return known;
    const cluster = this.kept?.newest(definition.slug) ?? newCluster(definition);
    this.clusters.set(definition.slug, cluster);
    for (const { slug } of definition.hosts) this.byHost.set(slug, cluster);
    return cluster;
  }

  private clusterOn(host: string): Cluster {
    const cluster = this.byHost.get(host);
    if (cluster === undefined) throw new Error(`There is no host ${host}.`);
    return cluster;
  }

  private picture(definition: ClusterDefinition, nowMs: number): ClusterSnapshot {
    const cluster = this.clusterOf(definition);
    const nodes = cluster.nodes.map((node) => nodePicture(cluster, node));
    const observedAt = new Date(nowMs).toISOString();
    return { cluster: definition.slug, platform: 'simulated', observedAt, complete: true, nodes, disagreements: [] };
  }

  /** One act per verb, entered in the journal of the node's host as any other. */
  private async perform({ definition, hosts, now }: ClusterTarget, request: VerbRequest): Promise<VerbResult> {
    const { verb, key, fence } = request;
    const host = definition.nodes.find(({ slug }) => slug === request.node)?.host ?? '';
    const act = { key: `${key}/${verb}/1`, fence, deadlineMs: ACT_LIMIT_MS };
    const cluster = this.clusterOf(definition);
    const node = cluster.nodes.find(({ slug }) => slug === request.node);
    const entered = await hosts[host]?.journal.begin(act);
    if (entered === undefined || node === undefined) throw new Error(`There is no node ${request.node}.`);
    if (entered.status === 'fenced')
      return { status: 'unknown', cause: 'fenced', reason: `epoch ${entered.seen.epoch} is obeyed`, acts: DONE };
    request.mayGoOn({ act: verb, binding: false });
    if (verb === 'switchover') cluster.active = request.node;
    if (verb === 'drain') node.state = 'drained';
    if (verb === 'join') Object.assign(node, { state: 'joined', running: node.installed });
    if (verb === 'release') node.state = 'serving';
    this.kept?.keep(cluster.slug, cluster);
    request.onAct({ act: verb, host, tookMs: 0, detail: 'done' });
    return { status: 'met', acts: DONE, snapshot: this.picture(definition, now()) };
  }
}

function newCluster({ slug, nodes }: ClusterDefinition): Cluster {
  return {
    slug,
    active: nodes[0]?.slug ?? '',
    nodes: nodes.map((node) => ({
      slug: node.slug,
      host: node.host,
      state: 'serving',
      installed: OLD_VERSION,
      running: OLD_VERSION,
    })),
    machines: nodes.map(({ host }) => ({ host, fence: null, journal: [] })),
  };
}

function nodeOn(cluster: Cluster, host: string): Node {
  const node = cluster.nodes.find((candidate) => candidate.host === host);
  if (node === undefined) throw new Error(`No node of ${cluster.slug} is on ${host}.`);
  return node;
}

function nodePicture({ active }: Cluster, { slug, host, state, installed, running }: Node): NodeSnapshot {
  const isActive = slug === active;
  const isOut = state === 'drained';
  return {
    node: slug,
    host,
    reachable: true,
    availability: isOut ? 'drained' : 'serving',
    native: isActive ? 'active' : state,
    roles: isOut ? {} : { [WORKLOAD]: isActive ? 'active' : 'standby' },
    writable: isActive,
    joined: !isOut,
    electable: state === 'serving',
    promotion: { promotable: true },
    lag: isActive || isOut ? null : { bytes: 0, ceilingBytes: 16_777_216 },
    versions: { postgresql: { installed, running: isOut ? null : running } },
    systemIdentifier: '7',
    timeline: 1,
    bootId: `${host}-boot`,
  };
}

const NO_COMMANDS = { status: 'unknown', reason: 'there are no commands here' } as const;
const NO_ACCESS: Host['access'] = {
  host: 'any',
  root: '/',
  run: () => Promise.resolve(NO_COMMANDS),
  close: () => Promise.resolve(),
};
const THEN = new Date(0).toISOString();

/**
 * The rules of a host's journal: a lower epoch is refused, another log's too, and a key is entered once. What was done and that it
 * was done are kept together: no kill comes between.
 */
class Journal implements HostJournal {
  constructor(
    readonly machine: Machine,
    readonly cluster: Cluster,
    private readonly kept: Kept<Cluster> | undefined,
  ) {}

  raise({ logId, epoch }: Fence): ReturnType<HostJournal['raise']> {
    const { fence } = this.machine;
    if (fence !== null && (fence.logId !== logId || fence.epoch > epoch))
      return Promise.resolve({ status: 'fenced', seen: fence });
    if (fence?.epoch !== epoch) {
      this.machine.fence = { logId, epoch };
      this.keep();
    }
    return Promise.resolve({ status: 'raised' });
  }

  act(): ReturnType<HostJournal['act']> {
    return Promise.resolve(NO_COMMANDS);
  }

  async begin({ key, fence }: Parameters<HostJournal['begin']>[0]): ReturnType<HostJournal['begin']> {
    const raised = await this.raise(fence);
    if (raised.status === 'fenced') return raised;
    this.machine.journal.push(key);
    return { status: 'begun' };
  }

  end(): ReturnType<HostJournal['end']> {
    return Promise.resolve({ status: 'recorded' });
  }

  entries(prefix: string): ReturnType<HostJournal['entries']> {
    const found = this.machine.journal.filter((key) => key.startsWith(prefix));
    const entries = found.map((key) => ({ key, epoch: 0, begunAt: THEN, ended: { at: THEN, code: 0 } }));
    return Promise.resolve({ status: 'read', entries });
  }

  keep(): void {
    this.kept?.keep(this.cluster.slug, this.cluster);
  }
}

/** A job installs what it says, in the moment in which it is started. */
class Jobs implements HostJobs {
  constructor(private readonly on: Journal) {}

  state(jobId: string): ReturnType<HostJobs['state']> {
    const isDone = this.on.machine.journal.includes(`jobs/${jobId}`);
    return Promise.resolve(isDone ? { status: 'exited', code: 0, startedAt: THEN, endedAt: THEN } : { status: 'absent' });
  }

  async start({ jobId, fence, argv: [, version = ''] }: Parameters<HostJobs['start']>[0]): ReturnType<HostJobs['start']> {
    const { machine, cluster } = this.on;
    if (machine.journal.includes(`jobs/${jobId}`)) return { status: 'known' };
    const entered = await this.on.begin({ key: `jobs/${jobId}`, fence, deadlineMs: ACT_LIMIT_MS });
    if (entered.status === 'fenced') return entered;
    nodeOn(cluster, machine.host).installed = version;
    this.on.keep();
    return { status: 'started' };
  }

  output(_jobId: string, fromByte: number): ReturnType<HostJobs['output']> {
    return Promise.resolve({ status: 'read', text: '', nextByte: fromByte });
  }

  stop(jobId: string): ReturnType<HostJobs['stop']> {
    return this.state(jobId);
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
