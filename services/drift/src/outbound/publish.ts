import type { drift } from '@understudy/contracts';
import type { DriftEvent, Finding } from '@understudy/drift-domain';
import { upcast } from '@understudy/drift-domain';
import type { StoredEvent } from '@understudy/event-log';
import type { Publication } from '@understudy/messaging';

/**
 * Stored event -> what is published of it, or nothing. Pure. Facts and requests are not told again; a waiver that ended
 * is told as a finding that is open again.
 */
export function publish(stored: StoredEvent): Publication | undefined {
  const event = upcast(stored);
  switch (event.type) {
    case 'BaselineSet':
    case 'BaselineRemoved':
      return undefined;
    default:
      return told(event);
  }
}

function told(event: DriftEvent): Publication | undefined {
  switch (event.type) {
    case 'FindingOpened':
      return event.body.waived ? undefined : opened(event.body.finding);
    case 'WaiverEnded':
      return event.body.reopens === undefined ? undefined : opened(event.body.reopens);
    case 'FindingResolved':
      return as('finding-resolved', event.body.cluster, event.body satisfies drift.FindingResolvedJson);
    case 'FindingWaived':
      return as('finding-waived', event.body.cluster, event.body satisfies drift.FindingWaivedJson);
    case 'DriftAssessed': {
      const { blocking, incomplete, ...rest } = event.body;
      const assessed: drift.DriftAssessedJson = {
        ...rest,
        blocking: blocking.map((finding) => ({ ...finding })),
        incomplete: [...incomplete],
      };
      return as('drift-assessed', event.body.cluster, assessed);
    }
    case 'FidelityScored':
      return as('fidelity-scored', event.body.cluster, {
        ...event.body,
        reasons: [...event.body.reasons],
      } satisfies drift.FidelityScoredJson);
    case 'ClusterNoted':
    case 'ClusterForgotten':
    case 'FactsReceived':
    case 'AssessmentRequested':
    case 'ExpectationEnded':
      return undefined;
  }
}

function opened(finding: Finding): Publication {
  return as('finding-opened', finding.cluster, { finding: { ...finding } } satisfies drift.FindingOpenedJson);
}

function as(name: string, cluster: string, data: unknown): Publication {
  return { type: `understudy.drift.${name}.v1`, key: cluster, subject: `cluster/${cluster}`, data };
}
