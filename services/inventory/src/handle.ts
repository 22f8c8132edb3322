import type { RefusalKind } from '@understudy/decider';
import type { EventCodec, EventLog, EventMetadata, StreamAppend } from '@understudy/event-log';
import { eventCodec, execute } from '@understudy/event-log';
import type { Executed, LoadedStream } from '@understudy/event-log';
import type { ClusterCommand, ClusterEvent, ClusterState, FleetEvent, PatchSetEvent } from '@understudy/inventory-domain';
import { clusterDecider, schemaVersions, upcast } from '@understudy/inventory-domain';
import type { CloudEvent } from '@understudy/messaging';
import { derivedId, newId, refused } from '@understudy/runtime';
import type { Refusal } from '@understudy/decider';

/** The corridor: everything that changes state here is decided by the domain and appended by `execute`. */
export const CLUSTER_STREAM = 'cluster/';
export const FLEET_STREAM = 'fleet';
export const PATCH_SET_STREAM = 'patch-set/';
/** Answers to questions about clusters that nobody registered: one event each. */
export const UNANSWERED_STREAM = 'unanswered/';

function codecOf<E extends { readonly type: string }>(): EventCodec<E> {
  return eventCodec<E>({ field: 'body', schemaVersions, upcast: (stored) => upcast(stored) as unknown as E });
}

export const clusterCodec = codecOf<ClusterEvent>();
export const fleetCodec = codecOf<FleetEvent>();
export const patchSetCodec = codecOf<PatchSetEvent>();

export const clusterStream = (slug: string): string => `${CLUSTER_STREAM}${slug}`;

export interface ClusterExecution {
  readonly slug: string;
  readonly command: ClusterCommand;
  readonly metadata: EventMetadata;
  readonly loaded?: LoadedStream<ClusterState>;
  readonly also?: () => Promise<readonly StreamAppend[]>;
}

export function executeOnCluster(
  log: EventLog,
  { slug, ...rest }: ClusterExecution,
): Promise<Executed<ClusterState, ClusterEvent>> {
  return execute(log, clusterDecider, {
    stream: clusterStream(slug),
    codec: clusterCodec,
    ...rest,
  });
}

type Refused = { readonly accepted: false; readonly kind: RefusalKind; readonly refusals: readonly Refusal[] };

/** What was accepted. @throws Problem with every reason where it was refused. */
export function accepted<A extends { readonly accepted: true }>(result: A | Refused): A {
  if (!result.accepted) throw refused(result);
  return result;
}

/** Our own acts. `from` says which part of this service. */
export function ownMetadata(from: string, commandId: string = newId()): EventMetadata {
  return { commandId, actor: { subject: 'system:inventory', role: 'system', authentication: 'internal', from } };
}

/** A command that a message gives: heard twice, it is the same command. */
export function messageMetadata(event: CloudEvent, stream: string): EventMetadata {
  return {
    commandId: derivedId(event.source, event.id, stream),
    actor: { subject: 'system:inventory', role: 'system', authentication: 'internal', from: event.source },
    causationId: event.id,
    ...(event.traceparent === undefined ? {} : { traceparent: event.traceparent }),
  };
}
