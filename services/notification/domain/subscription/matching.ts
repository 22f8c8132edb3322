/** Which events a subscription hears, and how severe an event is. */
import type { Refusal } from '@understudy/decider';
import type { SubscriptionFilter } from './subscription.js';

export const SEVERITIES = ['info', 'warning', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** Everything that the other services publish. A filter that fits none of these is a typing mistake. */
export const KNOWN_TYPES: readonly string[] = [
  ...[
    'cluster-registered',
    'cluster-changed',
    'cluster-retired',
    'topology-observed',
    'facts-collected',
    'ha-layer-classified',
    'debt-assessed',
  ].map((name) => `understudy.inventory.${name}.v1`),
  ...['finding-opened', 'finding-resolved', 'finding-waived', 'drift-assessed', 'fidelity-scored'].map(
    (name) => `understudy.drift.${name}.v1`,
  ),
  ...[
    'window-scheduled',
    'window-opened',
    'window-changed',
    'window-closed',
    'rollout-planned',
    'rollout-changed',
    'step-changed',
    'rollout-closed',
    'drift-assessment-requested',
    'change-ticket-requested',
    'patch-set-defined',
  ].map((name) => `understudy.orchestrator.${name}.v1`),
];

/** What of a published event decides who hears it. */
export interface HeardEvent {
  readonly type: string;
  /** JSON form of the payload. */
  readonly data: unknown;
}

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(value: unknown): Fields {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as Fields) : {};
}

/** The clusters that an event concerns; none = it concerns the installation. */
export function clustersOf(event: HeardEvent): readonly string[] {
  const data = fieldsOf(event.data);
  const { cluster, clusters } = data;
  if (typeof cluster === 'string') return [cluster];
  if (Array.isArray(clusters)) return clusters.filter((item) => typeof item === 'string');
  const nested = fieldsOf(cluster)['slug'] ?? fieldsOf(data['finding'])['cluster'];
  return typeof nested === 'string' ? [nested] : [];
}

const WARNING_CHANGES = ['held', 'frozen', 'abort-requested', 'aborted', 'given-up', 'deviation', 'deviated'];

/** How loud an event is. Rollouts that end badly and breached invariants are critical; what stops or differs is a warning. */
export function severityOf(event: HeardEvent): Severity {
  const data = fieldsOf(event.data);
  switch (event.type) {
    case 'understudy.orchestrator.rollout-closed.v1':
      return data['result'] === 'succeeded' ? 'info' : data['result'] === 'refused' ? 'warning' : 'critical';
    case 'understudy.orchestrator.rollout-changed.v1':
    case 'understudy.orchestrator.window-changed.v1':
      return changeSeverity(String(data['change']));
    case 'understudy.orchestrator.step-changed.v1':
      return data['status'] === 'failed' || data['status'] === 'unknown' ? 'warning' : 'info';
    case 'understudy.drift.finding-opened.v1':
      return fieldsOf(data['finding'])['severity'] === 'blocking' ? 'critical' : 'warning';
    default:
      return 'info';
  }
}

function changeSeverity(change: string): Severity {
  if (change.includes('invariant')) return 'critical';
  return WARNING_CHANGES.some((word) => change.includes(word)) ? 'warning' : 'info';
}

function typeFits(pattern: string, type: string): boolean {
  return pattern.endsWith('*') ? type.startsWith(pattern.slice(0, -1)) : pattern === type;
}

export function matches(filter: SubscriptionFilter, event: HeardEvent): boolean {
  const typed = filter.types.length === 0 || filter.types.some((pattern) => typeFits(pattern, event.type));
  const placed = filter.clusters.length === 0 || clustersOf(event).some((cluster) => filter.clusters.includes(cluster));
  return typed && placed && SEVERITIES.indexOf(severityOf(event)) >= SEVERITIES.indexOf(filter.leastSeverity);
}

/** Patterns that could never hear anything. */
export function filterComplaints(filter: SubscriptionFilter): readonly Refusal[] {
  return filter.types.flatMap((pattern, index) =>
    KNOWN_TYPES.some((type) => typeFits(pattern, type))
      ? []
      : [
          {
            pointer: `/filter/types/${index}`,
            code: 'EVENT_TYPE_UNKNOWN',
            detail: `No published event is of the type ${pattern}. Types look like understudy.orchestrator.rollout-closed.v1; a prefix may end in *.`,
          },
        ],
  );
}
