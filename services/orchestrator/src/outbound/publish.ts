import type { orchestrator } from '@understudy/contracts';
import type { StoredEvent } from '@understudy/event-log';
import type { Publication } from '@understudy/messaging';
import type { RolloutEvent, WindowEvent } from '@understudy/orchestrator-domain';

/**
 * Stored event -> what is published of it, or nothing. Pure. What is published is not what is stored: definitions,
 * plans and evidence stay here; others hear that something happened and where to read it.
 */
export function publish(event: StoredEvent): Publication | undefined {
  const [kind, id] = splitStream(event.stream);
  if (kind === 'rollout') return publishRollout(id, event);
  if (kind === 'window') return publishWindow(id, event);
  if (kind === 'patch-set') return publishPatchSet(event);
  return undefined;
}

/** A rollout event's body also carries the cluster's slug: the key of everything that is published of it. */
export interface RolloutBody {
  readonly clusterSlug: string;
}

function splitStream(stream: string): [string, string] {
  const slash = stream.indexOf('/');
  return [stream.slice(0, slash), stream.slice(slash + 1)];
}

function publishRollout(rolloutId: string, stored: StoredEvent): Publication | undefined {
  const cluster = (stored.body as RolloutBody).clusterSlug;
  const event = { type: stored.type, data: stored.body } as RolloutEvent;
  const subject = `rollout/${rolloutId}`;
  const as = (name: string, data: unknown): Publication => ({
    type: `understudy.orchestrator.${name}.v1`,
    key: cluster,
    subject,
    data,
  });
  switch (event.type) {
    case 'RolloutPlanned':
      return as('rollout-planned', {
        rolloutId,
        windowId: event.data.windowId,
        cluster,
        kind: event.data.kind,
        patchSetId: event.data.patchSet.id,
        steps: event.data.plan?.steps.map((step) => step.stepId) ?? [],
      } satisfies orchestrator.RolloutPlannedJson);
    case 'DriftAssessmentRequested':
      return as('drift-assessment-requested', {
        requestId: event.data.requestId,
        cluster,
        rolloutId,
        deadline: event.data.deadlineAt,
        expectedItems: [...event.data.expectedItems],
      } satisfies orchestrator.DriftAssessmentRequestedJson);
    case 'StepRequested':
    case 'StepSucceeded':
    case 'StepFailed':
    case 'StepUnknown':
    case 'StepSkipped':
      return as('step-changed', stepChanged(rolloutId, cluster, event));
    case 'RolloutClosed':
      return as('rollout-closed', rolloutClosed(rolloutId, cluster, event.data));
    default:
      return as('rollout-changed', {
        rolloutId,
        cluster,
        change: kebab(event.type),
        detail: detailOf(event),
      } satisfies orchestrator.RolloutChangedJson);
  }
}

type StepEvent = Extract<RolloutEvent, { type: `Step${string}` }>;

function stepChanged(rolloutId: string, cluster: string, event: StepEvent): orchestrator.StepChangedJson {
  return {
    rolloutId,
    cluster,
    stepId: event.data.stepId,
    attempt: 'attempt' in event.data ? event.data.attempt : 0,
    status: event.type.slice('Step'.length).toLowerCase(),
    detail: 'reason' in event.data ? event.data.reason : '',
  };
}

type ClosedData = Extract<RolloutEvent, { type: 'RolloutClosed' }>['data'];

function rolloutClosed(rolloutId: string, cluster: string, data: ClosedData): orchestrator.RolloutClosedJson {
  const measured = data.interruption.measured ? { longestInterruptionMs: Math.round(data.interruption.longestMs) } : {};
  return {
    rolloutId,
    cluster,
    result: data.result,
    reason: data.reason,
    remains: data.remains.map((item) => item.what),
    ...measured,
  };
}

function detailOf(event: RolloutEvent): string {
  const data = event.data as { readonly reason?: unknown; readonly what?: unknown; readonly detail?: unknown };
  for (const candidate of [data.reason, data.what, data.detail]) if (typeof candidate === 'string') return candidate;
  return '';
}

function kebab(type: string): string {
  return type.replace(/([a-z])([A-Z])/g, '$1-$2').toLowerCase();
}

function publishWindow(windowId: string, stored: StoredEvent): Publication | undefined {
  const event = { type: stored.type, data: stored.body } as WindowEvent;
  const as = (name: string, data: unknown): Publication => ({
    type: `understudy.orchestrator.${name}.v1`,
    key: windowId,
    subject: `window/${windowId}`,
    data,
  });
  switch (event.type) {
    case 'WindowScheduled':
      return as('window-scheduled', {
        windowId,
        clusters: [...event.data.clusters],
        opensAt: event.data.opensAt,
        closesAt: event.data.closesAt,
        playbook: `${event.data.playbook.name}@${event.data.playbook.version}`,
        patchSetId: event.data.patchSetId,
        scheduledBy: event.data.scheduledBy,
      } satisfies orchestrator.WindowScheduledJson);
    case 'WindowOpened':
      return as('window-opened', { windowId } satisfies orchestrator.WindowOpenedJson);
    case 'WindowClosed':
      return as('window-closed', { windowId, results: { ...event.data.results } } satisfies orchestrator.WindowClosedJson);
    default:
      return as('window-changed', {
        windowId,
        change: kebab(event.type),
        detail: windowDetail(event),
      } satisfies orchestrator.WindowChangedJson);
  }
}

function windowDetail(event: WindowEvent): string {
  switch (event.type) {
    case 'WaveBegun':
    case 'WaveEnded':
    case 'RolloutsBegun':
      return `wave ${event.data.wave}`;
    case 'RolloutsGivenUp':
      return event.data.rollouts.map(({ id, reason }) => `${id}: ${reason}`).join(' ');
    default:
      return 'reason' in event.data ? event.data.reason : '';
  }
}

function publishPatchSet(stored: StoredEvent): Publication | undefined {
  if (stored.type !== 'PatchSetDefined') return undefined;
  const { patchSet } = stored.body as { readonly patchSet: import('@understudy/cluster').PatchSet };
  const data: orchestrator.PatchSetDefinedJson = {
    patchSetId: patchSet.id,
    items: patchSet.items.map((item) => ({ ...item })),
    advisories: [...patchSet.advisories],
    publishedAt: patchSet.publishedAt,
  };
  return { type: 'understudy.orchestrator.patch-set-defined.v1', key: patchSet.id, subject: `patch-set/${patchSet.id}`, data };
}
