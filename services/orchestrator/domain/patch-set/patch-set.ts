import type { PatchSet } from '@understudy/cluster';
import { accept, refuse, type Decider, type Decision, type Refusal } from '@understudy/decider';
import type { Person } from '../rollout/rollout.js';

/** A patch set never changes once it is defined: approvals and debt refer to it. */
export interface PatchSetEvent {
  readonly type: 'PatchSetDefined';
  readonly data: { readonly patchSet: PatchSet; readonly by: string; readonly at: string };
}

export interface PatchSetCommand {
  readonly type: 'DefinePatchSet';
  readonly patchSet: PatchSet;
  /** Names of the patch sources that this installation has. */
  readonly sources: readonly string[];
  readonly by: Person;
  readonly at: string;
}

export interface PatchSetState {
  readonly patchSet: PatchSet | null;
}

/** Whoever publishes and this log read two clocks: so far ahead is now. */
const CLOCK_SKEW_MS = 60_000;

function decide(command: PatchSetCommand, state: PatchSetState): Decision<PatchSetEvent> {
  const { patchSet, by, at } = command;
  if (by.role !== 'operator' && by.role !== 'admin') {
    return refuse('forbidden', {
      pointer: '',
      code: 'ROLE_MISSING',
      detail: `${by.subject} is ${by.role}; an operator or admin may define patch sets.`,
    });
  }
  if (state.patchSet !== null) {
    if (JSON.stringify(state.patchSet) === JSON.stringify(patchSet)) return accept();
    return refuse('conflict', {
      pointer: '/id',
      code: 'PATCH_SET_EXISTS',
      detail: `Patch set ${patchSet.id} is defined and never changes; use another id.`,
    });
  }
  const refusals = complaints(command);
  return refusals.length > 0
    ? refuse('invalid', ...refusals)
    : accept({ type: 'PatchSetDefined', data: { patchSet, by: by.subject, at } });
}

function complaints(command: PatchSetCommand): readonly Refusal[] {
  const { patchSet, sources, at } = command;
  const empty: Refusal = {
    pointer: '/items',
    code: 'NO_ITEMS',
    detail: 'A patch set names at least one item with its target version.',
  };
  const items = patchSet.items.flatMap((item, index): Refusal[] => {
    const pointer = `/items/${index}`;
    const known = sources.includes(item.source);
    const twice = patchSet.items.findIndex((other) => other.name === item.name) !== index;
    return [
      ...(known
        ? []
        : [
            {
              pointer: `${pointer}/source`,
              code: 'UNKNOWN_SOURCE',
              detail: `There is no patch source ${item.source}; there are ${sources.join(', ')}.`,
            },
          ]),
      ...(twice
        ? [{ pointer: `${pointer}/name`, code: 'DUPLICATE_ITEM', detail: `${item.name} has a target version already.` }]
        : []),
    ];
  });
  const early = Date.parse(patchSet.publishedAt) - Date.parse(at) > CLOCK_SKEW_MS;
  const future: Refusal = {
    pointer: '/publishedAt',
    code: 'PUBLISHED_IN_THE_FUTURE',
    detail: `${patchSet.publishedAt} lies ahead; debt counts from when fixes were published.`,
  };
  return [...(patchSet.items.length === 0 ? [empty] : []), ...items, ...(early ? [future] : [])];
}

export const patchSetDecider: Decider<PatchSetState, PatchSetCommand, PatchSetEvent> = {
  initial: { patchSet: null },
  decide,
  evolve: (_state, event) => ({ patchSet: event.data.patchSet }),
};
