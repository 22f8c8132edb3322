import type { Next } from '../verb-loop.js';
import type { PostgresAct } from './snapshot.js';

/** What a verb does next on PostgreSQL; acts and waits that bind are the switchover's alone, which says so each time. */
export type PostgresNext = Next<PostgresAct>;

export function act(value: PostgresAct): PostgresNext {
  return { next: 'act', act: value, binding: false };
}

export function wait(why: string): PostgresNext {
  return { next: 'wait', why, binding: false };
}

export function stuck(reason: string): PostgresNext {
  return { next: 'stuck', reason };
}
