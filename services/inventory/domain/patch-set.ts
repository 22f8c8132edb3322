import type { Decider } from '@understudy/decider';
import { accept } from '@understudy/decider';
import type { NotedPatchSet } from './cluster/cluster.js';

/** A patch set as heard from the orchestrator, stream `patch-set/<id>`: what debt is counted against. */
export type PatchSetEvent = { readonly type: 'PatchSetNoted'; readonly body: NotedPatchSet };
export type PatchSetCommand = { readonly type: 'note'; readonly patchSet: NotedPatchSet };
export type PatchSetState = NotedPatchSet | undefined;

/** A patch set never changes once defined; hearing of it again is no news. */
export const patchSetDecider: Decider<PatchSetState, PatchSetCommand, PatchSetEvent> = {
  initial: undefined,
  decide: (command, state) => (state === undefined ? accept({ type: 'PatchSetNoted', body: command.patchSet }) : accept()),
  evolve: (_state, event) => event.body,
};
