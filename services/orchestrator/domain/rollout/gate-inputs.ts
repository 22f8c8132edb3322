import type { ClusterSnapshot } from '@understudy/cluster';
import type { Neighbour } from './observation.js';

/** What gates are judged on, as it was seen or re-read. */

export interface TicketSeen {
  readonly ticketId: string;
  readonly number: string;
  readonly approver: string;
  readonly approved: boolean;
  readonly expiresAt: string | null;
  readonly reason: string | null;
}

export interface DriftSeen {
  readonly requestId: string;
  readonly assessedAt: string;
  readonly blocking: readonly {
    readonly findingId: string;
    readonly node: string;
    readonly area: string;
    readonly name: string;
    readonly value: string;
    readonly expected: string;
    readonly detail: string;
  }[];
  readonly warnings: number;
  readonly waived: number;
  readonly incomplete: readonly string[];
}

/** Everything that gates look at besides the rollout's own state. Observed or re-read just now by the caller. */
export interface GateInputs {
  readonly snapshot: ClusterSnapshot | null;
  /** The HA layer as inventory classified it, re-read now; null = could not be told. */
  readonly haLayer: {
    readonly haLayer: 'application' | 'hypervisor' | 'none';
    readonly rolling: boolean;
    readonly reason: string;
  } | null;
  /** The drift assessment re-read now from its owner; null = could not be told. */
  readonly drift: DriftSeen | null;
  readonly ticket: TicketSeen | null;
  readonly rehearsal: { readonly passed: boolean; readonly fidelity: number; readonly at: string } | null;
  /** Whether the way back was proven on every node: patch source checks. */
  readonly wayBack: readonly {
    readonly node: string;
    readonly proven: boolean;
    readonly applicable: boolean;
    readonly detail: string;
    /** What the item would change there with all that it brings along, as its patch source told it. */
    readonly transaction?: { readonly item: string; readonly changes: readonly string[] };
  }[];
  readonly probe: { readonly available: boolean; readonly detail: string };
  readonly topologyFingerprint: string | null;
  /** Identities of our own store, bus and machine, to refuse patching ourselves. */
  readonly own: { readonly systemIdentifiers: readonly string[]; readonly machineIds: readonly string[] };
  /** Machine ids seen on the cluster's hosts. */
  readonly machineIds: Readonly<Record<string, string>>;
  /** Hosts of this rollout that another rollout has claimed: host -> rollout id. */
  readonly claimed: Readonly<Record<string, string>>;
  /** Other clusters with nodes on this rollout's hosts, as observed now: all their invariants hold too. */
  readonly neighbours: readonly Neighbour[];
}
