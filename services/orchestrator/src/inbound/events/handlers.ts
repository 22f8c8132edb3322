import type { drift, notification } from '@understudy/contracts';
import type { EventMetadata } from '@understudy/event-log';
import type { CloudEvent, HandlerTable } from '@understudy/messaging';
import type { DriftSeen, RolloutCommand, TicketSeen } from '@understudy/orchestrator-domain';
import { derivedId, Problem } from '@understudy/runtime';
import { SYSTEM, type RolloutStore } from '../../handle.js';

export interface MessageTools {
  readonly rollouts: RolloutStore;
  /** The rollouts of a window; empty when the window is not known here. */
  readonly rolloutsOfWindow: (windowId: string) => Promise<readonly string[]>;
  readonly now: () => number;
}

/** drift's topic: the answer to a question of ours becomes a command; an answer to nobody's question is ignored. */
export function driftHandlers(tools: MessageTools): HandlerTable {
  return {
    'understudy.drift.drift-assessed.v1': async (event) => {
      const assessed = event.data as drift.DriftAssessedJson;
      const rolloutId = rolloutOfRequest(assessed.requestId ?? '');
      if (rolloutId === undefined) return;
      const at = new Date(tools.now()).toISOString();
      await give(tools, event, rolloutId, { type: 'RecordDriftAssessment', assessment: driftSeen(assessed), at });
    },
  };
}

/** notification's topic: what became of a window's change ticket. */
export function changeHandlers(tools: MessageTools): HandlerTable {
  const record = async (
    event: CloudEvent,
    change: notification.ChangeJson | undefined,
    seen: Partial<TicketSeen>,
  ): Promise<void> => {
    const ticket: TicketSeen = {
      ticketId: change?.ticketId ?? '',
      number: change?.number ?? '',
      approver: change?.approver ?? '',
      approved: false,
      expiresAt: null,
      reason: null,
      ...seen,
    };
    const at = new Date(tools.now()).toISOString();
    for (const rolloutId of await tools.rolloutsOfWindow(change?.windowId ?? '')) {
      await give(tools, event, rolloutId, { type: 'RecordTicket', ticket, at });
    }
  };
  return {
    'understudy.notification.change-approved.v1': (event) => {
      const data = event.data as notification.ChangeApprovedJson;
      return record(event, data.change, { approved: true, expiresAt: data.expiresAt ?? null });
    },
    'understudy.notification.change-rejected.v1': (event) => {
      const data = event.data as notification.ChangeRejectedJson;
      return record(event, data.change, { reason: data.reason ?? 'rejected' });
    },
    'understudy.notification.change-held.v1': (event) => {
      const data = event.data as notification.ChangeHeldJson;
      return record(event, data.change, { reason: data.reason ?? 'held' });
    },
    'understudy.notification.change-closed.v1': (event) => {
      const data = event.data as notification.ChangeClosedJson;
      return record(event, data.change, { reason: 'The ticket was closed.' });
    },
  };
}

/** A question's id names the rollout that asked: `<rollout id>.<question id>`. */
export function requestIdFor(rolloutId: string, questionId: string): string {
  return `${rolloutId}.${questionId}`;
}

function rolloutOfRequest(requestId: string): string | undefined {
  return /^([0-9a-f-]{36})\./.exec(requestId)?.[1];
}

/** The message's own id makes the command's: hearing it twice changes nothing twice. */
async function give(tools: MessageTools, event: CloudEvent, rolloutId: string, command: RolloutCommand): Promise<void> {
  const metadata: EventMetadata = {
    commandId: derivedId(event.source, event.id, rolloutId),
    actor: { ...SYSTEM, from: event.source },
    causationId: event.id,
    ...(event.traceparent === undefined ? {} : { traceparent: event.traceparent }),
  };
  try {
    await tools.rollouts.handle(rolloutId, command, metadata);
  } catch (error) {
    if (error instanceof Problem && error.code === 'ROLLOUT_UNKNOWN') return;
    throw error;
  }
}

export function driftSeen(assessed: drift.DriftAssessedJson): DriftSeen {
  return {
    requestId: assessed.requestId ?? '',
    assessedAt: assessed.assessedAt ?? '',
    blocking: (assessed.blocking ?? []).map((finding) => ({
      findingId: finding.findingId ?? '',
      node: finding.node ?? '',
      area: finding.area ?? '',
      name: finding.name ?? '',
      value: finding.value ?? '',
      expected: finding.expected ?? '',
      detail: finding.detail ?? '',
    })),
    warnings: assessed.warnings ?? 0,
    waived: assessed.waived ?? 0,
    incomplete: assessed.incomplete ?? [],
  };
}
