/**
 * The product's documents as the demo reads them over REST: only the fields that it uses. Declared here and not
 * imported, because the demo is a client like any other.
 */
export interface RecordedEvent {
  readonly position: number;
  readonly version: number;
  readonly type: string;
  readonly time: string;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface PlannedStep {
  readonly stepId: string;
  readonly kind: string;
  readonly phase: string;
  readonly node?: string;
  readonly toVersion?: string;
}

export interface Interruption {
  readonly measured: boolean;
  readonly fromMs: number;
  readonly toMs: number;
  readonly longestMs: number;
  readonly sumMs: number;
  readonly failedOperations: number;
  readonly resolutionMs: number;
  readonly acknowledgedWrites: number;
  readonly lostWrites: number | null;
  readonly reason?: string;
}

export interface Closed {
  readonly result: string;
  readonly reason: string;
  readonly remains: readonly { readonly what: string; readonly mend: string }[];
  readonly interruption: Interruption;
}

export interface DowntimePlan {
  readonly reason: string;
  readonly steps: readonly {
    readonly what: string;
    readonly estimatedMs: number;
    readonly source: string;
    readonly serviceDown: boolean;
  }[];
  readonly estimatedDowntimeMs: number;
  readonly whyNotLess: string;
}

export interface Verification {
  readonly intact: boolean;
  readonly events?: number;
  readonly position?: number;
  readonly reason?: string;
}

export interface Finding {
  readonly findingId: string;
  readonly node: string;
  readonly against: string;
  readonly area: string;
  readonly name: string;
  readonly value: string;
  readonly expected: string;
  readonly severity: string;
  readonly detail: string;
}
