import { channel } from 'node:diagnostics_channel';

/** What happens at a place where a crash would matter. */
export type CrashMoment =
  | 'intent-committed'
  | 'act-sent'
  | 'act-accepted'
  | 'outcome-observed'
  | 'outcome-committed'
  /** Whatever else the owner of a rollout appends: gates, deviations, the close. */
  | 'decision-committed'
  | 'adoption'
  | 'relay-published'
  | 'checkpoint-moved'
  | 'lease-renewed';

/** A place just before a moment, or just after it. */
export type CrashPlace = `${'before' | 'after'}-${CrashMoment}`;

/** `{place, detail}` each time. A subscriber runs there and then, before the process goes on. */
const places = channel('understudy:crash-place');

/**
 * Says that the process has come to a place at which it may die. It is published and otherwise does nothing; a test's preload
 * subscribes and kills. Nothing that kills is part of the product.
 * @param detail which one: a step and its act, a cursor's name, a schema.
 */
export function atPlace(place: CrashPlace, detail: string): void {
  if (places.hasSubscribers) places.publish({ place, detail });
}
