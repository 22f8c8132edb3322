import type { PatchSet } from '@understudy/cluster';
import { accept, refuse, type Decider } from '@understudy/decider';

/** A patch set is defined once and never changes: what was approved is what is applied. */
export type PatchSetEvent = { readonly type: 'PatchSetDefined'; readonly data: { readonly patchSet: PatchSet; readonly by: string; readonly at: string } };

export interface DefinePatchSet {
  readonly type: 'DefinePatchSet';
  readonly patchSet: PatchSet;
  readonly by: string;
  readonly at: string;
}

export type PatchSetState = PatchSet | null;

export const patchSetDecider: Decider<PatchSetState, DefinePatchSet, PatchSetEvent> = {
  initial: null,
  decide: ({ patchSet, by, at }, state) => {
    if (state !== null) return accept();
    const names = patchSet.items.map((item) => item.name);
    const twice = names.findIndex((name, index) => names.indexOf(name) !== index);
    if (twice >= 0) {
      const detail = `The item ${names[twice]} is named twice: an item has one target version.`;
      return refuse('invalid', { pointer: `/items/${twice}/name`, code: 'ITEM_TWICE', detail });
    }
    if (patchSet.publishedAt > at) {
      const detail = `The patch set was published at ${patchSet.publishedAt}, which is in the future. Debt counts from when a fix was published.`;
      return refuse('invalid', { pointer: '/publishedAt', code: 'PUBLISHED_IN_THE_FUTURE', detail });
    }
    return accept<PatchSetEvent>({ type: 'PatchSetDefined', data: { patchSet, by, at } });
  },
  evolve: (_state, event) => event.data.patchSet,
};
