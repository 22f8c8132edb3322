import { createHash } from 'node:crypto';
import type { ClusterDefinition, ClusterSnapshot, PatchItem, PatchSet } from '@understudy/cluster';
import { byHand, type PatchSource } from '@understudy/hosts';
import {
  downtimePlan,
  planRollout,
  wayBackOf,
  type DowntimePlan,
  type DurationSample,
  type GateInputs,
  type Plan,
  type Playbook,
  type RolloutKind,
  type RolloutPlanned,
  type SwitchoverResult,
  type VersionPairSeen,
} from '@understudy/orchestrator-domain';
import type { PlatformDriver } from '@understudy/platforms';
import { messageOf } from './effects/perform.js';
import { picture } from './effects/picture.js';
import type { OpenCluster, Targets } from './effects/targets.js';
import { withinDeadline, type Peers } from './peers.js';

const LOOK_DEADLINE_MS = 10_000;

/** SHA-256 in hex. */
export function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** What a rollout is planned for; the same for each cluster of a window. */
export interface PlanOrder {
  readonly windowId: string;
  readonly rolloutId: string;
  readonly kind: RolloutKind;
  readonly playbook: Playbook;
  readonly playbookHash: string;
  readonly patchSet: PatchSet;
  readonly opensAt: string;
  readonly closesAt: string;
  readonly plannedBy: string;
  /** For `downtime`: how long the workload may be away, in milliseconds. */
  readonly outageBudgetMs?: number;
  /** The wave of its window with which it begins; absent = when the window opens. */
  readonly wave?: number;
}

export interface PlanMade {
  readonly planned: RolloutPlanned;
  readonly downtimePlan: DowntimePlan | null;
  /** `unclear`: the cluster could not be seen whole, or has not been classified; a later look may say more. */
  readonly cluster: 'seen' | 'unclear';
}

export interface PlannerTools {
  readonly targets: Targets;
  readonly peers: Peers;
  readonly patchSource: (name: string) => PatchSource;
  readonly switchoverResult: (cluster: string, fingerprint: string, nowMs: number) => Promise<SwitchoverResult | null>;
  /** What steps took on this cluster before, newest first. */
  readonly durations: (cluster: string) => Promise<readonly DurationSample[]>;
  readonly now: () => number;
}

interface Seen {
  readonly open: OpenCluster;
  readonly snapshot: ClusterSnapshot;
  readonly fingerprint: string;
  readonly haLayer: GateInputs['haLayer'];
  readonly noRollback: readonly string[];
  readonly samples: readonly DurationSample[];
}

/** Looks at a cluster and computes its plan, or the reason why there is none. Stores nothing. */
export class Planner {
  constructor(private readonly tools: PlannerTools) {}

  async plan(order: PlanOrder, definition: ClusterDefinition): Promise<PlanMade> {
    const workload = definition.workloads[0] ?? '';
    const seen = await this.see(definition, order.patchSet.items);
    const switchoverResult = await this.tools.switchoverResult(definition.slug, seen.fingerprint, this.tools.now());
    const planning = planRollout({
      kind: order.kind,
      cluster: definition,
      workload,
      playbook: order.playbook,
      patchSet: order.patchSet,
      snapshot: seen.snapshot,
      versionPairs: versionPairs(seen, order.patchSet.items),
      writeSafety: seen.open.driver.writeSafety,
      cannotRollBecause: cannotRoll(seen.haLayer),
      switchoverResult,
      noRollback: seen.noRollback,
      samples: seen.samples,
      ...outageOf(order),
      digest,
    });
    const plan = 'plan' in planning ? planning.plan : null;
    const noPlanBecause = 'plan' in planning ? null : planning.noPlanBecause;
    const planned = this.planned(order, definition, { seen, workload, plan, noPlanBecause, switchoverResult });
    const unclear = isUnclear(order, seen);
    const offered =
      !unclear && 'offerDowntime' in planning && planning.offerDowntime
        ? downtimePlanFor(order, definition, seen, planning.noPlanBecause)
        : null;
    return { planned, downtimePlan: offered, cluster: unclear ? 'unclear' : 'seen' };
  }

  /** What decides whether an old switchover result or approval still holds for this cluster. */
  async fingerprint(open: OpenCluster, snapshot: ClusterSnapshot): Promise<string | null> {
    try {
      const facts = await open.driver.facts(open.target, digest, LOOK_DEADLINE_MS);
      return digest(open.driver.fingerprintInput(snapshot, facts));
    } catch {
      return null;
    }
  }

  private async see(definition: ClusterDefinition, items: readonly PatchItem[]): Promise<Seen> {
    const open = await this.tools.targets.openCluster(definition);
    const { snapshot, ofPlatform } = await picture(open, items, this.tools.patchSource, LOOK_DEADLINE_MS);
    const [fingerprint, haLayer, noRollback, samples] = await Promise.all([
      this.fingerprint(open, ofPlatform),
      withinDeadline(this.tools.peers.haLayer(definition.slug, LOOK_DEADLINE_MS), LOOK_DEADLINE_MS),
      this.noRollback(open, items),
      this.tools.durations(definition.slug),
    ]);
    return { open, snapshot, fingerprint: fingerprint ?? 'unknown', haLayer, noRollback, samples };
  }

  private async noRollback(open: OpenCluster, items: readonly PatchItem[]): Promise<readonly string[]> {
    const pairs = open.target.definition.nodes.flatMap((node) => items.map((item) => ({ node, item })));
    const sentences = await Promise.all(
      pairs.map(async ({ node, item }) => {
        const host = open.target.hosts[node.host];
        if (!host) return `${node.slug}: the cluster has no host ${node.host}.`;
        try {
          const check = await this.tools.patchSource(item.source).check(host, item, LOOK_DEADLINE_MS);
          return check.wayBack.proven ? null : `${node.slug}: ${check.wayBack.detail}`;
        } catch (error) {
          return `${node.slug}: ${messageOf(error)}`;
        }
      }),
    );
    return sentences.filter((sentence) => sentence !== null);
  }

  private planned(
    order: PlanOrder,
    definition: ClusterDefinition,
    made: {
      seen: Seen;
      workload: string;
      plan: Plan | null;
      noPlanBecause: string | null;
      switchoverResult: SwitchoverResult | null;
    },
  ): RolloutPlanned {
    const patchSetHash = digest(JSON.stringify(order.patchSet));
    return {
      rolloutId: order.rolloutId,
      windowId: order.windowId,
      kind: order.kind,
      cluster: definition,
      workload: made.workload,
      playbook: order.playbook,
      playbookHash: order.playbookHash,
      patchSet: order.patchSet,
      patchSetHash,
      plan: made.plan,
      noPlanBecause: made.noPlanBecause,
      binding: bindingOf(order, made.plan?.hash ?? 'none', patchSetHash, made.seen.fingerprint),
      topologyFingerprint: made.seen.fingerprint,
      opensAt: order.opensAt,
      closesAt: order.closesAt,
      plannedBy: order.plannedBy,
      ...outageOf(order),
      byHand: Object.fromEntries(definition.hosts.map(({ slug, access }) => [slug, byHand(access.root)])),
      ...(order.wave === undefined ? {} : { wave: order.wave }),
      at: new Date(this.tools.now()).toISOString(),
      switchoverResult: made.switchoverResult,
    };
  }
}

/** What an approval binds to: plan, playbook, patch set, topology, window and outage budget. Anything else in force = lapsed. */
export function bindingOf(order: PlanOrder, planHash: string, patchSetHash: string, fingerprint: string): string {
  const { playbookHash, windowId, opensAt, closesAt, outageBudgetMs } = order;
  const outage = outageBudgetMs === undefined ? [] : [outageBudgetMs];
  return digest(JSON.stringify([planHash, playbookHash, patchSetHash, fingerprint, windowId, opensAt, closesAt, ...outage]));
}

function outageOf({ outageBudgetMs }: PlanOrder): { readonly outageBudgetMs?: number } {
  return outageBudgetMs === undefined ? {} : { outageBudgetMs };
}

/** May a later look say more? A downtime needs no HA layer, only a whole picture. */
function isUnclear(order: PlanOrder, { haLayer, snapshot }: Seen): boolean {
  if (order.kind === 'downtime') return !snapshot.complete;
  return haLayer === null || (haLayer.rolling && !snapshot.complete);
}

function cannotRoll(haLayer: GateInputs['haLayer']): string | null {
  if (haLayer === null) return 'The HA layer has not been classified yet, so it cannot be told whether this cluster can roll.';
  return haLayer.rolling ? null : haLayer.reason;
}

/** For each item, what the driver says about the oldest version that runs beside the target. */
function versionPairs(seen: Seen, items: readonly PatchItem[]): Readonly<Record<string, VersionPairSeen>> {
  return Object.fromEntries(
    items.map((item) => {
      const from = [
        ...new Set(
          seen.snapshot.nodes.map((node) => node.versions[item.name]?.running ?? node.versions[item.name]?.installed ?? null),
        ),
      ];
      const pairs = from.filter((version) => version !== null).map((version) => bothWays(seen.open.driver, item, version));
      return [item.name, strictest(pairs)];
    }),
  );
}

/** There and back: what a person reads in the plan, and where the point of no return lies. */
function bothWays(driver: PlatformDriver, { name, targetVersion }: PatchItem, from: string): VersionPairSeen {
  const { allowed, reason } = driver.versionPair(name, targetVersion, from);
  return { ...driver.versionPair(name, from, targetVersion), back: { allowed, reason } };
}

function strictest(pairs: readonly VersionPairSeen[]): VersionPairSeen {
  const rank = { lossless: 0, lossy: 1, none: 2 } as const;
  const back = (pair: VersionPairSeen): number => rank[wayBackOf(pair).wayBack];
  const worst = [...pairs].sort((a, b) => Number(a.allowed) - Number(b.allowed) || back(b) - back(a))[0];
  return worst ?? { allowed: false, wayBack: 'none', reason: 'no version of this item was seen on any node' };
}

function downtimePlanFor(order: PlanOrder, cluster: ClusterDefinition, seen: Seen, reason: string): DowntimePlan {
  const { snapshot, samples } = seen;
  return downtimePlan({ cluster, snapshot, samples, patchSet: order.patchSet, playbook: order.playbook, reason });
}
