import type { ClusterDefinition, ClusterSnapshot, HaLayer } from '@understudy/cluster';

/**
 * The cluster aggregate, stream `cluster/<slug>`: what its owner registered, what was seen of it, and what follows
 * from that. Inventory's picture feeds catalogue, classification and drift; it decides no step of a rollout.
 */

/** One thing seen that speaks for or against an HA layer. */
export interface Evidence {
  readonly supports: HaLayer;
  readonly detail: string;
}

/** One setting, rule or version of one node. `secret`: the value is a keyed hash. */
export interface Fact {
  readonly area: string;
  readonly name: string;
  /** The value it will have after a reload or restart. */
  readonly value: string;
  readonly runningValue?: string;
  readonly secret?: true;
}

export interface NodeFacts {
  readonly node: string;
  /** RFC 3339, UTC. */
  readonly collectedAt: string;
  readonly facts: readonly Fact[];
  readonly missing: readonly string[];
}

export interface Classification {
  readonly haLayer: HaLayer;
  /** May a rolling plan be made? */
  readonly rolling: boolean;
  /** In words, from what was seen. */
  readonly reason: string;
  readonly evidence: readonly string[];
}

/** How long one patch set has been available to one node and is not applied. */
export interface Debt {
  readonly node: string;
  readonly patchSetId: string;
  readonly advisories: readonly string[];
  /** RFC 3339. */
  readonly availableSince: string;
  /** Whole days. */
  readonly days: number;
  readonly settled: boolean;
}

export type ClusterEvent =
  | { readonly type: 'ClusterRegistered'; readonly body: { readonly definition: ClusterDefinition } }
  | { readonly type: 'ClusterChanged'; readonly body: { readonly definition: ClusterDefinition } }
  | { readonly type: 'ClusterRetired'; readonly body: { readonly cluster: string; readonly reason: string } }
  | { readonly type: 'TopologyObserved'; readonly body: { readonly snapshot: ClusterSnapshot } }
  | { readonly type: 'HaLayerClassified'; readonly body: { readonly cluster: string; readonly classification: Classification } }
  | { readonly type: 'FactsCollected'; readonly body: FactsCollected }
  | { readonly type: 'DebtAssessed'; readonly body: Debt & { readonly cluster: string } };

export interface FactsCollected {
  readonly cluster: string;
  /** Empty = collected by schedule. */
  readonly requestId: string;
  readonly nodes: readonly NodeFacts[];
  /** Empty = none or several. */
  readonly activeNode: string;
}

export type ClusterCommand =
  | { readonly type: 'register'; readonly definition: ClusterDefinition; readonly known: Known }
  | { readonly type: 'change'; readonly definition: ClusterDefinition; readonly known: Known; readonly expectedRevision?: number }
  | { readonly type: 'retire'; readonly reason: string; readonly expectedRevision?: number }
  | { readonly type: 'record-observation'; readonly snapshot: ClusterSnapshot; readonly evidence: readonly Evidence[] }
  | {
      readonly type: 'record-facts';
      readonly requestId: string;
      readonly nodes: readonly NodeFacts[];
      readonly activeNode: string;
    }
  | { readonly type: 'assess-debt'; readonly patchSets: readonly NotedPatchSet[]; readonly nowMs: number };

/** A patch set as the orchestrator published it. */
export interface NotedPatchSet {
  readonly id: string;
  readonly items: readonly { readonly name: string; readonly targetVersion: string }[];
  readonly advisories: readonly string[];
  /** RFC 3339. */
  readonly publishedAt: string;
}

/** What this installation offers a registration: brought in by the rim, so that the rules stay pure. */
export interface Known {
  /** Platform drivers that may be used here, with the settings that each understands. */
  readonly platforms: Readonly<Record<string, PlatformSettings>>;
  readonly credentials: readonly KnownCredential[];
  /** Patch sources of this build. */
  readonly patchSources: readonly string[];
}

export interface PlatformSettings {
  readonly cluster: readonly string[];
  readonly node: readonly string[];
}

export interface KnownCredential {
  readonly name: string;
  readonly hostPatterns: readonly string[];
  /** Those of this document's secret targets that the patterns do not cover; judged by the store that keeps the secrets. */
  readonly refuses: readonly string[];
}

/** `revision` counts the documents registered under this slug: it moves with a person's change, not with what is observed. */
export type ClusterState =
  | { readonly status: 'absent'; readonly revision: 0 }
  | RegisteredCluster
  | { readonly status: 'retired'; readonly revision: number; readonly slug: string };

export interface RegisteredCluster {
  readonly status: 'registered';
  readonly revision: number;
  readonly definition: ClusterDefinition;
  readonly snapshot?: ClusterSnapshot;
  readonly classification?: Classification;
  readonly facts?: FactsCollected;
  /** Request ids already answered, newest last, at most `ANSWERED_REQUESTS_KEPT`. */
  readonly answered: readonly string[];
  /** By `<node>/<patch set>`. */
  readonly debts: Readonly<Record<string, Debt>>;
}

export const ANSWERED_REQUESTS_KEPT = 64;
