import type { Decider } from '@understudy/decider';
import { accept, refuse } from '@understudy/decider';
import type { Refusal } from '@understudy/decider';
import type { Baseline, Requirement } from './comparison/baseline.js';

/** A named baseline, stream `baseline/<name>`. */
export type BaselineEvent =
  | { readonly type: 'BaselineSet'; readonly body: Baseline }
  | { readonly type: 'BaselineRemoved'; readonly body: { readonly name: string } };
export type BaselineCommand =
  { readonly type: 'set'; readonly baseline: Baseline } | { readonly type: 'remove'; readonly name: string };
export type BaselineState = Baseline | undefined;

export const baselineDecider: Decider<BaselineState, BaselineCommand, BaselineEvent> = {
  initial: undefined,
  decide: (command, state) => {
    switch (command.type) {
      case 'set': {
        const refusals = twice(command.baseline.requirements);
        if (refusals.length > 0) return refuse('invalid', ...refusals);
        return JSON.stringify(state) === JSON.stringify(command.baseline)
          ? accept()
          : accept({ type: 'BaselineSet', body: command.baseline });
      }
      case 'remove':
        return state === undefined ? absent(command.name) : accept({ type: 'BaselineRemoved', body: { name: command.name } });
    }
  },
  evolve: (_state, event) => {
    switch (event.type) {
      case 'BaselineSet':
        return event.body;
      case 'BaselineRemoved':
        return undefined;
    }
  },
};

function absent(name: string): ReturnType<typeof refuse> {
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
