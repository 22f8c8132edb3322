/** The distributed shape for specs that prove something from outside: what starts it, a client's load, a gRPC client, the fold. */
import { reportOf, rolloutDecider, upcastRollout, type RolloutEvent, type RolloutState } from '@understudy/orchestrator-domain';

export {
  SERVICES,
  ServiceProcess,
  serviceFor,
  startStage,
  type Service,
  type Stage as DistributedStage,
  type StageOptions as DistributedStageOptions,
} from '@understudy/practice/distributed';
export { measure, startLoad, type LedgerEntry, type LoadOptions, type LoadWorker } from '@understudy/practice/load';
export { postgresBinaries, RpcClient, TokenStore } from '@understudy/runtime';

/** An event as the API exports it. */
export interface ExportedEvent {
  readonly type: string;
  readonly schemaVersion: number;
  readonly body: unknown;
}

/** What the domain makes of exported events, and of nothing else. */
export function foldExported(events: readonly ExportedEvent[]): RolloutState {
  return domainEvents(events).reduce((state, event) => rolloutDecider.evolve(state, event), rolloutDecider.initial);
}

/** The report that the domain makes of exported events. */
export function reportExported(events: readonly ExportedEvent[]): ReturnType<typeof reportOf> {
  return reportOf(domainEvents(events));
}

function domainEvents(events: readonly ExportedEvent[]): readonly RolloutEvent[] {
  return events.map(({ type, schemaVersion, body }) => upcastRollout({ type, schemaVersion, data: body }));
}
