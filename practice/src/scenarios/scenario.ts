import type { DemoArgs, ScenarioName } from '../demo/args.js';
import type { ProductProcess } from '../demo/product.js';
import type { PracticeCluster } from '../pair/index.js';
import type { Api } from '../rest/api.js';
import type { RecordedEvent } from '../rest/documents.js';
import type { LedgerEntry } from '../load/gaps.js';

/** What a scenario may touch: the cluster's hosts as a person with root there would, and the product by REST. */
export interface Stage {
  readonly args: DemoArgs;
  readonly cluster: PracticeCluster;
  readonly api: Api;
  /** Where the product is one process. */
  readonly product?: ProductProcess;
  /** The version that the patch set brings. */
  readonly targetVersion: string;
  readonly say: (text: string) => void;
}

/** What came out, for the scenario's own check. */
export interface Ended {
  readonly rolloutId: string;
  readonly events: readonly RecordedEvent[];
  readonly ledger: readonly LedgerEntry[];
  readonly versionsBefore: Readonly<Record<string, string | null>>;
  readonly versionsAfter: Readonly<Record<string, string | null>>;
}

/** One run of the play. Nothing of it is known to the product. */
export interface Scenario {
  readonly name: ScenarioName;
  /** One sentence for the head of the demo's output. */
  readonly headline: string;
  readonly expectedResult: string;
  /** Nodes of the cluster, given what was asked for. */
  readonly nodes: (args: DemoArgs) => number;
  readonly declaredHaLayer?: 'hypervisor';
  /** Before the cluster is registered. */
  readonly prepare?: (stage: Stage) => Promise<void>;
  /** After each recorded event of the rollout. */
  readonly onEvent?: (stage: Stage, event: RecordedEvent) => Promise<void>;
  /** What the audience should read besides, before the short report. */
  readonly epilogue?: (ended: Ended) => readonly string[];
  /** What is not as it should be, in sentences, beside what holds for every scenario. */
  readonly problems: (stage: Stage, ended: Ended) => Promise<readonly string[]>;
}

/** Sentences about nodes that do not run the version that they should. */
export function notRunning(versions: Ended['versionsAfter'], expected: string): readonly string[] {
  return Object.entries(versions)
    .filter(([, version]) => version !== expected)
    .map(([node, version]) => `${node} runs ${version ?? 'nothing'} and should run ${expected}.`);
}
