import type { Decider, Decision, Refusal } from '@understudy/decider';
import { accept, refuse } from '@understudy/decider';
import type { Baseline, Requirement } from './comparison/baseline.js';

/** A named baseline, stream `baseline/<name>`. */
export type BaselineEvent =
  | { readonly type: 'BaselineSet'; readonly body: Baseline }
  | { readonly type: 'BaselineRemoved'; readonly body: { readonly name: string } };

/** `expectedRevision`: what the caller read; absent = any. */
export type BaselineCommand =
  | { readonly type: 'set'; readonly baseline: Baseline; readonly expectedRevision?: number }
  | { readonly type: 'remove'; readonly name: string; readonly expectedRevision?: number };

export interface BaselineState {
  /** Counts what was set and removed under this name; also the stream's version. */
  readonly revision: number;
  readonly baseline?: Baseline;
}

export const baselineDecider: Decider<BaselineState, BaselineCommand, BaselineEvent> = {
  initial: { revision: 0 },
  decide: (command, state) => stale(command, state) ?? decide(command, state),
  evolve: ({ revision }, event) => {
    switch (event.type) {
      case 'BaselineSet':
        return { revision: revision + 1, baseline: event.body };
      case 'BaselineRemoved':
        return { revision: revision + 1 };
    }
  },
};

function decide(command: BaselineCommand, state: BaselineState): Decision<BaselineEvent> {
  switch (command.type) {
    case 'set': {
      const refusals = twice(command.baseline.requirements);
      if (refusals.length > 0) return refuse('invalid', ...refusals);
      const same = JSON.stringify(state.baseline) === JSON.stringify(command.baseline);
      return same ? accept() : accept({ type: 'BaselineSet', body: command.baseline });
    }
    case 'remove':
      return state.baseline === undefined
        ? absent(command.name)
        : accept({ type: 'BaselineRemoved', body: { name: command.name } });
  }
}

function stale({ expectedRevision }: BaselineCommand, { revision }: BaselineState): Decision<BaselineEvent> | undefined {
  if (expectedRevision === undefined || expectedRevision === revision) return undefined;
  return refuse('precondition', {
    pointer: '',
    code: 'BASELINE_CHANGED_MEANWHILE',
    detail: `You read revision ${expectedRevision} of this baseline; it is at revision ${revision} now. Read it again, carry your change over, and send it with the new ETag.`,
  });
}

function absent(name: string): Decision<BaselineEvent> {
  return refuse('not-found', {
    pointer: '',
    code: 'BASELINE_NOT_FOUND',
    detail: `No baseline is named "${name}". Look at GET /v1/baselines.`,
  });
}

function twice(requirements: readonly Requirement[]): readonly Refusal[] {
  const keys = requirements.map(({ area, name }) => JSON.stringify([area, name]));
  return keys.flatMap((key, i) => {
    const first = keys.indexOf(key);
    if (first === i) return [];
    return [
      {
        pointer: `/requirements/${i}`,
        code: 'DUPLICATE_REQUIREMENT',
        detail: `Entry ${first + 1} already requires this area and name. Keep one of the two.`,
      },
    ];
  });
}
