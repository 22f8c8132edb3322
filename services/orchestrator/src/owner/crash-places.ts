import { channel } from 'node:diagnostics_channel';

/**
 * Named places at which a process may die. They are published and otherwise do nothing; a test's preload subscribes
 * and kills. Nothing that kills is part of the product.
 */
export type CrashPlace =
  'before-commit' | 'after-commit' | 'act-sent' | 'act-decided' | 'act-accepted' | 'outcome-observed' | 'adoption';

const places = channel('understudy:crash-place');

export function atPlace(place: CrashPlace, detail: string): void {
  if (places.hasSubscribers) places.publish({ place, detail });
}
