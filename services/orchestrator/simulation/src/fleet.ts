import type { ClusterDefinition, Environment, PatchSet } from '@understudy/cluster';
import type { Playbook } from '@understudy/orchestrator-domain';
import { inject, setSynchronous, tick, write, type World } from '@understudy/simulated-cluster';
import type { Ground } from './ground.js';
import type { Random } from './random.js';

/** One window's clusters, each with its playbook, out of a seed. */

export const T0 = Date.parse('2026-03-01T20:00:00.000Z');
export const OLD_VERSION = '17.9';
export const NEW_VERSION = '17.10';
export const WORKLOAD = 'main';
export const ITEM = 'postgresql';

export const PATCHES: PatchSet = {
  id: 'ps-1',
  items: [{ name: ITEM, targetVersion: NEW_VERSION, source: 'release', artifact: 'postgresql-17.10' }],
  advisories: ['CVE-2026-0001'],
  publishedAt: '2026-02-12T00:00:00.000Z',
};

export interface Patient {
  readonly rolloutId: string;
  readonly definition: ClusterDefinition;
  readonly playbook: Playbook;
  readonly opensAtMs: number;
  readonly closesAtMs: number;
  /** Nodes whose way back is not proven. */
  readonly unproven: readonly string[];
  readonly wayBack: 'lossless' | 'lossy';
}

/** What this world takes, as a cluster's earlier rollouts would have taught it. */
export const DURATIONS_MS = {
  preflight: 500,
  'start-probe': 500,
  switchover: 2_000,
  validate: 500,
  drain: 1_000,
  patch: 4_000,
  reboot: 8_000,
  join: 2_000,
  release: 1_000,
  check: 500,
  postflight: 500,
  'stop-probe': 500,
  unpatch: 4_000,
} as const;

const NODES = ['a', 'b', 'c', 'd', 'e'];
const SHARED_HOST = 0.35;

export function makeFleet(chance: Random, ground: Ground): readonly Patient[] {
  const clusters = chance.pick([1, 1, 1, 2]);
  const patients: Patient[] = [];
  for (let index = 0; index < clusters; index += 1) {
    const definition = defineCluster(chance, index, patients[0]?.definition);
    settle(chance, ground, definition);
    patients.push(patientOf(chance, definition, index));
  }
  return patients;
}

function defineCluster(chance: Random, index: number, other: ClusterDefinition | undefined): ClusterDefinition {
  const slug = `cluster-${index + 1}`;
  const names = NODES.slice(0, chance.pick([2, 2, 2, 3, 3, 4, 5])).map((name) => `${name}${index + 1}`);
  const shares = other !== undefined && chance.chance(SHARED_HOST);
  // Its last standby lives beside the other cluster's last one.
  const hosts = names.map((name, place) =>
    shares && place === names.length - 1 ? (other.nodes.at(-1)?.host ?? name) : `host-${name}`,
  );
  const odd = names.length > 2 && chance.chance(0.3) ? names.at(-1) : undefined;
  const probeHost = `probe-${index + 1}`;
  return {
    slug,
    platform: 'simulated',
    environment: chance.pick<Environment>(['practice', 'practice', 'lab', 'production']),
    workloads: [WORKLOAD],
    nodes: names.map((name, place) => ({
      slug: name,
      host: hosts[place] as string,
      settings: {},
      ...(name === odd ? { notPromotable: 'a reporting replica' } : {}),
    })),
    hosts: [...hosts, probeHost].map((host) => ({ slug: host, access: { kind: 'local', root: `/srv/${host}` }, patching: {} })),
    credentials: {},
    probeHost,
    settings: {},
  };
}

function settle(chance: Random, ground: Ground, definition: ClusterDefinition): void {
  const pace = { startMs: chance.int(40, 400), stopMs: chance.int(20, 200), rebootMs: 3_000, bytesPerMs: 20_000 };
  const site = ground.settle(definition, OLD_VERSION, pace);
  const [active, ...standbys] = definition.nodes.map((node) => node.slug);
  if (active !== undefined && standbys.length > 1 && chance.chance(0.35))
    site.world = lagging(chance, site.world, active, chance.pick(standbys));
  if (active !== undefined && chance.chance(0.4)) site.world = synchronous(chance, site.world, active, standbys);
}

/** One standby's receiver hangs from the start, a little or far behind. */
function lagging(chance: Random, world: World, active: string, behind: string): World {
  const hung = inject(world, { fault: 'freeze', node: behind });
  const written = write(hung, active, chance.int(1, 14) * 1_000_000).world;
  return tick(written, 2_000);
}

function synchronous(chance: Random, world: World, active: string, standbys: readonly string[]): World {
  const names = chance.chance(0.3) ? standbys.slice(0, 1) : standbys;
  return setSynchronous(world, active, { needed: 1, names });
}

function patientOf(chance: Random, definition: ClusterDefinition, index: number): Patient {
  const opensAtMs = T0 + chance.int(0, 5_000);
  const tested = chance.chance(0.9);
  const playbook: Playbook = {
    name: 'simulated',
    version: 1,
    kind: 'patch',
    gates: chance.chance(0.2) ? [{ gate: 'drift', maxAgeMs: chance.int(10_000, 60_000) }] : [],
    phases: {
      switchoverTest: { enabled: tested, andBack: chance.chance(0.7) },
      failback: { enabled: chance.chance(0.2) },
      soakMs: chance.pick([0, 500, 2_000]),
      interruptionBudgetMs: chance.int(5_000, 12_000),
    },
    checks: chance.chance(0.3) ? [{ name: 'orders', kind: 'sql', sql: 'select 1', expect: '1' }] : [],
    pauseBefore: chance.chance(0.1) ? ['switchover'] : [],
    onFailure: chance.chance(0.75) ? 'rollback' : 'hold',
    maxUnavailable: 1,
    durations: DURATIONS_MS,
  };
  return {
    rolloutId: `r-${index + 1}`,
    definition,
    playbook,
    opensAtMs,
    closesAtMs: opensAtMs + (chance.chance(0.08) ? chance.int(60_000, 150_000) : chance.int(300_000, 700_000)),
    unproven: chance.chance(0.12) ? [definition.nodes[0]?.slug ?? ''] : [],
    wayBack: chance.chance(0.85) ? 'lossless' : 'lossy',
  };
}
