/**
 * An event-sourced aggregate is three plain values: an initial state, `decide` and `evolve`.
 * This library imports nothing and does nothing; storing and loading belong to `event-log`.
 */

/** One reason why a command was refused. `pointer` is a JSON Pointer into the command's document ("" = the whole). */
export interface Refusal {
  readonly pointer: string;
  /** Stable machine code in UPPER_SNAKE, the same on REST and gRPC. */
  readonly code: string;
  /** For a person: what, why, and what to do next. */
  readonly detail: string;
}

/** The class of a refusal; each door (REST, gRPC) translates it into its own status. */
export type RefusalKind = 'invalid' | 'forbidden' | 'not-found' | 'conflict' | 'precondition' | 'locked';

/** What `decide` answers: new facts (none = already so), or why not. Business outcomes are never thrown. */
export type Decision<E> =
  | { readonly accepted: true; readonly events: readonly E[] }
  | { readonly accepted: false; readonly kind: RefusalKind; readonly refusals: readonly Refusal[] };

export interface Decider<S, C, E> {
  readonly initial: S;
  /** Pure. Time, ids, chance and observations arrive inside the command. */
  readonly decide: (command: C, state: S) => Decision<E>;
  /** Pure and total: a fact is never refused. */
  readonly evolve: (state: S, event: E) => S;
}

export function accept<E>(...events: readonly E[]): Decision<E> {
  return { accepted: true, events };
}

export function refuse(kind: RefusalKind, ...refusals: readonly Refusal[]): Decision<never> {
  return { accepted: false, kind, refusals };
}

/** Folds facts into a state, oldest first. */
export function fold<S, E>(decider: Pick<Decider<S, never, E>, 'initial' | 'evolve'>, events: Iterable<E>, from?: S): S {
  let state = from ?? decider.initial;
  for (const event of events) state = decider.evolve(state, event);
  return state;
}
