/**
 * One simulated HA cluster and its hosts, as plain data. Time, faults and other people come in as arguments of pure
 * functions that answer the next world; the same calls give the same world. It behaves as a cluster of databases with
 * streaming replication does: a log with positions and timelines, standbys that follow, nobody who promotes by itself.
 */
export interface World {
  readonly nowMs: number;
  readonly cluster: string;
  readonly workload: string;
  readonly pace: Pace;
  readonly hosts: Readonly<Record<string, SimulatedHost>>;
  readonly nodes: Readonly<Record<string, SimulatedNode>>;
  /** By timeline: the highest position that a client was told is safe. */
  readonly acknowledged: Readonly<Record<number, number>>;
}

/** How long things take, in milliseconds of the world, and how fast the log flows. */
export interface Pace {
  readonly startMs: number;
  readonly stopMs: number;
  readonly rebootMs: number;
  readonly bytesPerMs: number;
}

export interface SimulatedHost {
  readonly host: string;
  /** The orchestrator's link to it. Says nothing about the host itself. */
  readonly linked: boolean;
  /** When a host that is down comes back; null while it is up, Infinity when it never will. */
  readonly upAtMs: number | null;
  readonly boots: number;
  readonly fence: { readonly logId: string; readonly epoch: number } | null;
  readonly journal: readonly SimulatedEntry[];
}

export interface SimulatedEntry {
  readonly key: string;
  readonly epoch: number;
  readonly begunAtMs: number;
  readonly ended: { readonly atMs: number; readonly code: number } | null;
}

export interface SimulatedNode {
  readonly node: string;
  readonly host: string;
  readonly service: Service;
  /** What its disk says, whether it runs or not. */
  readonly disk: SimulatedDisk;
  readonly log: Log;
  /** Names of slots that standbys use on it. */
  readonly slots: readonly string[];
  readonly synchronous: Synchronous;
  /** Its receiver hangs: nothing is written or confirmed, the link stays. */
  readonly frozen: boolean;
  readonly runningVersion: string | null;
}

export type Service =
  | { readonly state: 'stopped' }
  | { readonly state: 'starting'; readonly untilMs: number }
  /** A clean stop of a primary waits for every receiver that is attached. */
  | { readonly state: 'stopping'; readonly untilMs: number }
  | { readonly state: 'running'; readonly recovering: boolean };

export interface SimulatedDisk {
  readonly installedVersion: string;
  /** The installed release does not start. */
  readonly broken: boolean;
  readonly autostart: boolean;
  readonly drained: boolean;
  /** It will come up as a standby. */
  readonly standby: boolean;
  readonly upstream: string | null;
  readonly slot: string | null;
  /** For whom the synchronous names are relaxed, and what they were. */
  readonly relaxed: { readonly drained: string; readonly before: Synchronous } | null;
  readonly switchover: SimulatedMark | null;
  readonly settings: Readonly<Record<string, string>>;
}

/** Where a switchover that took this node's service away has got to. */
export interface SimulatedMark {
  readonly key: string;
  readonly target: string;
  readonly freshPosition: number;
  readonly round: number;
  readonly freshAtMs: number;
  readonly stopAtMs: number | null;
  readonly stopMissed: boolean;
  /** False from the stop until a promotion is announced. Left out: not known, as from before such announcements. */
  readonly promoting?: boolean;
  /** It is being started again as what it was; over when it serves. */
  readonly returning: boolean;
  readonly returned: boolean;
}

/** Commits wait until `needed` of these nodes have them. */
export interface Synchronous {
  readonly needed: number;
  readonly names: readonly string[];
}

export interface Log {
  readonly timeline: number;
  /** Written on a primary, replayed on a standby. */
  readonly position: number;
  /** Where the last checkpoint's record begins. */
  readonly checkpoint: number;
  /** Where earlier timelines ended for this node's history. */
  readonly lineage: readonly { readonly timeline: number; readonly end: number }[];
  /** The end of a clean stop as a primary, and of which timeline; null after anything else. */
  readonly cleanStop: { readonly timeline: number; readonly position: number } | null;
}

export interface WorldRequest {
  readonly cluster: string;
  readonly workload: string;
  /** Slugs of nodes and their hosts; the first node is active. */
  readonly nodes: readonly { readonly node: string; readonly host: string }[];
  readonly version: string;
  readonly pace?: Partial<Pace>;
}

export const defaultPace: Pace = { startMs: 40, stopMs: 20, rebootMs: 200, bytesPerMs: 1_000 };

/** A healthy cluster at time 0: the first node serves, the others stream from it. */
export function createWorld(request: WorldRequest): World {
  const [first, ...others] = request.nodes;
  const hosts = request.nodes.map(
    ({ host }) => [host, { host, linked: true, upAtMs: null, boots: 1, fence: null, journal: [] }] as const,
  );
  const slots = others.map(({ node }) => slotOf(node));
  return {
    nowMs: 0,
    cluster: request.cluster,
    workload: request.workload,
    pace: { ...defaultPace, ...request.pace },
    hosts: Object.fromEntries(hosts),
    nodes: Object.fromEntries(
      request.nodes.map(
        ({ node, host }) =>
          [node, createNode(node, host, request.version, node === first?.node ? undefined : first?.node, slots)] as const,
      ),
    ),
    acknowledged: {},
  };
}

export function slotOf(node: string): string {
  return `understudy_${node.replaceAll('-', '_')}`;
}

function createNode(
  node: string,
  host: string,
  version: string,
  upstream: string | undefined,
  slots: readonly string[],
): SimulatedNode {
  const standby = upstream !== undefined;
  return {
    node,
    host,
    service: { state: 'running', recovering: standby },
    disk: {
      installedVersion: version,
      broken: false,
      autostart: true,
      drained: false,
      standby,
      upstream: upstream ?? null,
      slot: standby ? slotOf(node) : null,
      relaxed: null,
      switchover: null,
      settings: {},
    },
    log: { timeline: 1, position: 1_000, checkpoint: 900, lineage: [], cleanStop: null },
    slots: standby ? [] : slots,
    synchronous: { needed: 0, names: [] },
    frozen: false,
    runningVersion: version,
  };
}
