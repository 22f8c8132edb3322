import type { Refusal, RefusalKind } from '@understudy/decider';
import type { BaselineEvent, DriftEvent } from '@understudy/drift-domain';
import { schemaVersions, upcast } from '@understudy/drift-domain';
import type { EventCodec, EventMetadata } from '@understudy/event-log';
import { eventCodec } from '@understudy/event-log';
import type { CloudEvent } from '@understudy/messaging';
import { derivedId, newId, refused } from '@understudy/runtime';

/** The corridor: everything that changes state here is decided by the domain and appended by `execute`. */
function codecOf<E extends { readonly type: string }>(): EventCodec<E> {
  return eventCodec<E>({ field: 'body', schemaVersions, upcast: (stored) => upcast(stored) as unknown as E });
}

export const driftCodec = codecOf<DriftEvent>();
export const baselineCodec = codecOf<BaselineEvent>();
export const driftStream = (cluster: string): string => `drift/${cluster}`;
export const baselineStream = (name: string): string => `baseline/${name}`;

/** What was accepted. @throws Problem with every reason where it was refused. */
export function accepted<A extends { readonly accepted: true }>(
  result: A | { readonly accepted: false; readonly kind: RefusalKind; readonly refusals: readonly Refusal[] },
): A {
  if (!result.accepted) throw refused(result);
  return result;
}

const SELF = { subject: 'system:drift', role: 'system', authentication: 'internal' } as const;

/** Our own acts. `from` says which part of this service. */
export function ownMetadata(from: string): EventMetadata {
  return { commandId: newId(), actor: { ...SELF, from } };
}

/** A command that a message gives: heard twice, it is the same command. `target` names the stream and what is done there. */
export function messageMetadata(event: CloudEvent, target: string): EventMetadata {
  return {
    commandId: derivedId(event.source, event.id, target),
    actor: { ...SELF, from: event.source },
    causationId: event.id,
    ...(event.traceparent === undefined ? {} : { traceparent: event.traceparent }),
  };
}
