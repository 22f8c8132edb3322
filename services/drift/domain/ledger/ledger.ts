import type { Environment } from '@understudy/cluster';
import type { Baseline } from '../comparison/baseline.js';
import type { CollectedFacts, Finding } from '../comparison/facts.js';

/**
 * The drift ledger of one cluster, stream `drift/<cluster>`: the facts last heard of it, its findings and waivers, and
 * the assessments that were asked for and answered.
 */
export type DriftEvent =
  | { readonly type: 'ClusterNoted'; readonly body: NotedCluster & Origin }
  | { readonly type: 'ClusterForgotten'; readonly body: { readonly cluster: string } & Origin }
  | {
      readonly type: 'FactsReceived';
      readonly body: CollectedFacts & Origin & { readonly cluster: string; readonly requestId: string };
    }
  | { readonly type: 'AssessmentRequested'; readonly body: AssessmentRequest & { readonly cluster: string } }
  | { readonly type: 'ExpectationEnded'; readonly body: { readonly cluster: string; readonly rolloutId: string } }
  | {
      readonly type: 'FindingOpened';
      readonly body: { readonly finding: Finding; readonly mark: string; readonly waived: boolean };
    }
  | { readonly type: 'FindingResolved'; readonly body: { readonly cluster: string; readonly findingId: string } }
  | { readonly type: 'FindingWaived'; readonly body: { readonly cluster: string; readonly findingId: string } & Waiver }
  /** `reopens`: what is open again because of it; absent where the difference is gone or opens anew with other values. */
  | {
      readonly type: 'WaiverEnded';
      readonly body: {
        readonly cluster: string;
        readonly findingId: string;
        readonly reason: string;
        readonly reopens?: Finding;
      };
    }
  | { readonly type: 'DriftAssessed'; readonly body: Assessment }
  | { readonly type: 'FidelityScored'; readonly body: FidelityScore & { readonly cluster: string } };

/** Which message said it. A position of the same source that is not above the last one heard is old news. */
export interface Origin {
  /** CloudEvent source: service and log id. */
  readonly source: string;
  readonly position: number;
}

export interface NotedCluster {
  readonly cluster: string;
  readonly platform: string;
  readonly environment: Environment;
  readonly members: readonly string[];
  /** '' = none. */
  readonly twinOf: string;
}

export interface AssessmentRequest {
  readonly requestId: string;
  /** '' = asked for outside a rollout. */
  readonly rolloutId: string;
  readonly expectedItems: readonly string[];
  /** RFC 3339; after it the asker no longer waits. */
  readonly deadline: string;
}

export interface Waiver {
  readonly owner: string;
  readonly reason: string;
  /** RFC 3339. */
  readonly expiresAt: string;
}

export interface Assessment {
  readonly cluster: string;
  readonly requestId: string;
  /** RFC 3339. */
  readonly assessedAt: string;
  /** Blocking findings that no waiver covers. */
  readonly blocking: readonly Finding[];
  readonly warnings: number;
  readonly waived: number;
  /** `<node>: <what is missing>`. Not empty = not whole. */
  readonly incomplete: readonly string[];
}

export interface FidelityScore {
  readonly twinOf: string;
  readonly score: number;
  readonly reasons: readonly string[];
}

export type DriftCommand =
  | { readonly type: 'note-cluster'; readonly cluster: NotedCluster; readonly origin: Origin }
  | { readonly type: 'forget-cluster'; readonly origin: Origin }
  | (Judging & {
      readonly type: 'receive-facts';
      readonly cluster: string;
      readonly requestId: string;
      readonly collected: CollectedFacts;
      readonly origin: Origin;
    })
  | (Judging & { readonly type: 'request-assessment'; readonly cluster: string; readonly request: AssessmentRequest })
  | (Judging & { readonly type: 'end-expectation'; readonly rolloutId: string })
  /** A baseline changed, or time passed (waivers lapse). */
  | (Judging & { readonly type: 'reassess' })
  | { readonly type: 'waive'; readonly findingId: string; readonly waiver: Waiver; readonly nowMs: number }
  | { readonly type: 'withdraw-waiver'; readonly findingId: string; readonly by: string }
  | { readonly type: 'score-fidelity'; readonly twinOf: string; readonly production: LedgerState | undefined };

/** What a judgement needs besides the ledger. */
export interface Judging {
  readonly baselines: readonly Baseline[];
  readonly nowMs: number;
}

export interface LedgerState {
  readonly cluster?: NotedCluster;
  readonly origin?: Origin;
  readonly facts?: CollectedFacts;
  /** Requests whose facts came before the request itself (two topics keep no order between them). */
  readonly heard: readonly string[];
  /** Requests that wait for their facts, by id. */
  readonly waiting: Readonly<Record<string, AssessmentRequest>>;
  /** Answers given, by request, the last `REQUESTS_KEPT`. */
  readonly answered: Readonly<Record<string, Assessment>>;
  /** Items that running rollouts change, by rollout. */
  readonly expected: Readonly<Record<string, readonly string[]>>;
  readonly entries: Readonly<Record<string, Entry>>;
  readonly fidelity?: FidelityScore;
}

export interface Entry {
  readonly finding: Finding;
  /** Of the values behind the finding: a waiver holds for these values alone. */
  readonly mark: string;
  readonly state: 'open' | 'waived' | 'resolved';
  readonly waiver?: Waiver & { readonly mark: string };
}

/** Request ids remembered, so that a message heard twice is answered once. */
export const REQUESTS_KEPT = 64;
export const WAIVER_LIMIT_DAYS = 180;
