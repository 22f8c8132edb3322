import type { Refusal, RefusalKind } from '@understudy/decider';
import type { Actor } from '@understudy/event-log';
import type { Person } from '@understudy/orchestrator-domain';
import { refused } from '@understudy/runtime';

/** The domain's view of whom the door let in. */
export function personOf(actor: Actor): Person {
  return { subject: actor.subject, role: actor.role as Person['role'] };
}

type Refused = { readonly accepted: false; readonly kind: RefusalKind; readonly refusals: readonly Refusal[] };

/** What was accepted; a refusal is thrown as a `Problem`. */
export function accepted<T extends { readonly accepted: true }>(result: T | Refused): T {
  if (result.accepted) return result;
  throw refused(result);
}
