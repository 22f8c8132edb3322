import type { DriftSeen, GateInputs, TicketSeen } from '@understudy/orchestrator-domain';

/**
 * Facts that open a gate are read once more from the service that owns them, just before they count: the only
 * synchronous call between services. In one process these are the owners' use cases; apart they are gRPC calls.
 * Each answers within `deadlineMs` or null: no answer keeps the gate closed.
 */
export interface Peers {
  haLayer(cluster: string, deadlineMs: number): Promise<GateInputs['haLayer']>;
  driftAssessment(cluster: string, requestId: string, deadlineMs: number): Promise<DriftSeen | null>;
  change(windowId: string, deadlineMs: number): Promise<TicketSeen | null>;
}

/** The answer, or null when it throws or does not come in time. */
export async function withinDeadline<T>(answer: Promise<T | null>, deadlineMs: number): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), deadlineMs);
  });
  try {
    return await Promise.race([answer.catch(() => null), late]);
  } finally {
    clearTimeout(timer);
  }
}
