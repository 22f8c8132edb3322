import { agree, measure, type ClientMeasure, type LedgerEntry } from '../load/gaps.js';
import type { Closed, Interruption, PlannedStep, RecordedEvent, Verification } from '../rest/documents.js';
import type { ScenarioName } from './args.js';

/** The demo's last line. Every figure is measured in this run. */
export interface LastLine {
  readonly scenario: ScenarioName;
  readonly result: string;
  readonly versionsBefore: Readonly<Record<string, string | null>>;
  readonly versionsAfter: Readonly<Record<string, string | null>>;
  /** Longest, as the product's probe measured it; null = not measured (nothing was started that could interrupt). */
  readonly interruptionMs: number | null;
  readonly resolutionMs: number | null;
  /** Switchovers that the product performed. */
  readonly switchovers: number;
  /** Of the load client: acknowledged, given up, and acknowledged but not found again. */
  readonly acknowledgedWrites: number;
  readonly failedWrites: number;
  readonly lostWrites: number;
  /** Recorded events of the rollout. */
  readonly events: number;
  readonly chain: string;
  /** Path of the report. */
  readonly report: string;
}

export const LEAST_ACKNOWLEDGED_WRITES = 500;

export function closedOf(events: readonly RecordedEvent[]): Closed | undefined {
  return events.find((event) => event.type === 'RolloutClosed')?.body as unknown as Closed | undefined;
}

/** Switchover steps that ended well, told by the plan's own kinds. */
export function switchoversOf(events: readonly RecordedEvent[]): number {
  const kinds = new Map<string, string>();
  for (const event of events) {
    const plan = event.body['plan'] as { steps?: readonly PlannedStep[] } | null | undefined;
    for (const step of plan?.steps ?? []) kinds.set(step.stepId, step.kind);
  }
  return events.filter((event) => event.type === 'StepSucceeded' && kinds.get(String(event.body['stepId'])) === 'switchover')
    .length;
}

export function chainWords(verification: Verification): string {
  return verification.intact ? 'intact' : `broken at position ${verification.position ?? '?'}: ${verification.reason ?? ''}`;
}

export interface Compared {
  readonly client: ClientMeasure;
  readonly probe: Interruption | undefined;
  readonly agreed: boolean;
}

/** The client's own measure over the time that the probe measured, beside the probe's. */
export function compare(closed: Closed | undefined, ledger: readonly LedgerEntry[], intervalMs: number): Compared {
  const probe = closed?.interruption.measured === true ? closed.interruption : undefined;
  const client = measure(ledger, intervalMs, probe);
  const agreed =
    probe === undefined ||
    agree(
      { ms: probe.longestMs, resolutionMs: probe.resolutionMs },
      { ms: client.longestGapMs, resolutionMs: client.resolutionMs },
    );
  return { client, probe, agreed };
}

/** What is wrong with a run whatever its scenario, in sentences. Empty = nothing. */
export function problemsOf(line: LastLine, expectedResult: string, compared: Compared): readonly string[] {
  const { probe, client } = compared;
  return [
    [line.result !== expectedResult, `The result is ${line.result}; this scenario ends ${expectedResult}.`],
    [line.lostWrites > 0, `${line.lostWrites} acknowledged writes are lost.`],
    [
      line.acknowledgedWrites < LEAST_ACKNOWLEDGED_WRITES,
      `Only ${line.acknowledgedWrites} writes were acknowledged; a measure needs ${LEAST_ACKNOWLEDGED_WRITES}.`,
    ],
    [line.chain !== 'intact', `The recorded events do not verify: ${line.chain}.`],
    [
      !compared.agreed,
      `Probe and load client disagree: ${probe?.longestMs} ms (resolution ${probe?.resolutionMs} ms) against ${client.longestGapMs} ms (resolution ${client.resolutionMs} ms).`,
    ],
    [line.switchovers > 0 && probe === undefined, 'Switchovers were performed and no interruption was measured.'],
    [(probe?.lostWrites ?? 0) > 0, `The probe misses ${probe?.lostWrites} of its own acknowledged writes.`],
  ]
    .filter(([wrong]) => wrong)
    .map(([, sentence]) => sentence as string);
}

/** A few lines for a person. */
export function shortReport(line: LastLine, compared: Compared, tookMs: number): readonly string[] {
  const { client, probe } = compared;
  const from = distinct(line.versionsBefore);
  const to = distinct(line.versionsAfter);
  const outage =
    probe === undefined
      ? `not measured by the product (nothing was started); the load client saw ${waited(client)}`
      : `longest ${Math.round(probe.longestMs)} ms by the probe (±${Math.round(probe.resolutionMs)}), ${Math.round(client.longestGapMs)} ms by the load client (±${Math.round(client.resolutionMs)})`;
  return [
    `result         ${line.result} after ${(tookMs / 1000).toFixed(1)} s`,
    `PostgreSQL     ${from === to ? `${to} on every node, as before` : `${from} -> ${to}`}`,
    `interruption   ${outage}`,
    `client         ${line.acknowledgedWrites} writes acknowledged, ${line.failedWrites} failed, ${line.lostWrites} lost`,
    `switchovers    ${line.switchovers}`,
    `record         ${line.events} events, chain ${line.chain}`,
    `report         ${line.report}`,
  ];
}

function waited(client: ClientMeasure): string {
  return client.longestGapMs === 0
    ? `no gap above ${Math.round(client.resolutionMs)} ms`
    : `a gap of ${Math.round(client.longestGapMs)} ms`;
}

function distinct(versions: Readonly<Record<string, string | null>>): string {
  return [...new Set(Object.values(versions).map((version) => version ?? 'no answer'))].join(', ');
}
