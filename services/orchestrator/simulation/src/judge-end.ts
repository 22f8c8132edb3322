import { initialRollout, rolloutDecider, type RolloutEvent } from '@understudy/orchestrator-domain';
import { streamOf } from './store.js';
import type { Window } from './window.js';

/** At the end of a window: everybody has come to an end or waits for a person, and the events alone say all. */
export function judgeEnd(window: Window): void {
  if (window.breaches.length > 0) return;
  for (const { rolloutId } of window.patients) {
    const events = window.store.log.read(streamOf(rolloutId)).map((stored) => stored.event as RolloutEvent);
    const told = window.stateOf(rolloutId);
    const waits = (told.status === 'held' && told.held !== null && told.held.reason !== '') || told.status === 'frozen';
    if (told.status !== 'closed' && !waits)
      window.breach('liveness', `${rolloutId} is ${told.status}, and neither ends nor waits for a person.`);
    const rebuilt = (JSON.parse(JSON.stringify(events)) as readonly RolloutEvent[]).reduce(rolloutDecider.evolve, initialRollout);
    if (JSON.stringify(rebuilt) !== JSON.stringify(told))
      window.breach('12', `The events alone do not rebuild the state of ${rolloutId}.`);
  }
}
