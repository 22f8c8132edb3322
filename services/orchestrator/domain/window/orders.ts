import type { Refusal } from '@understudy/decider';
import type { RolloutCommand } from '../rollout/rollout.js';
import type { RolloutSeen } from './rollouts.js';
import type { Scheduled, Statement } from './window.js';

/** What a window tells one of its rollouts. The same order has the same key, so that it is carried out once. */
export interface RolloutOrder {
  readonly key: readonly string[];
  readonly command: Extract<RolloutCommand, { type: 'RecordApproval' | 'Begin' | 'Freeze' | 'Resume' | 'Abort' }>;
}

const WINDOW = { subject: 'system:orchestrator', role: 'system' } as const;

/** Everything that the window has said of this rollout so far, oldest kind first; empty for one that has ended. */
export function ordersFor(state: Scheduled, rollout: RolloutSeen): readonly RolloutOrder[] {
  if (!rollout.planned || rollout.ended !== null) return [];
  return [...approved(state, rollout), ...begun(state, rollout), ...stopped(state, rollout), ...givenUp(state, rollout)];
}

function approved({ approval }: Scheduled, { id }: RolloutSeen): readonly RolloutOrder[] {
  const binding = approval?.bindings[id];
  if (!approval || binding === undefined) return [];
  const { by, at } = approval;
  return [{ key: ['approval', id, at], command: { type: 'RecordApproval', by, binding, at } }];
}

function begun(state: Scheduled, { id, cluster, begun: knows }: RolloutSeen): readonly RolloutOrder[] {
  const at = state.begun[id];
  if (at === undefined || knows) return [];
  const wave = state.window.waves.findIndex(({ clusters }) => clusters.includes(cluster)) + 1;
  return [{ key: ['begin', id], command: { type: 'Begin', wave, at } }];
}

/** A freeze, or its end: then only what this very freeze stopped goes on, nothing that a person froze by itself. */
function stopped(state: Scheduled, { id, frozenSince, resumedAt }: RolloutSeen): readonly RolloutOrder[] {
  const { thaw } = state;
  if (state.status !== 'frozen' && thaw !== null && frozenSince !== null && thaw.frozenAt.includes(frozenSince)) {
    const by = { subject: thaw.by, role: 'operator' } as const;
    return [{ key: ['Resume', id, thaw.at], command: { type: 'Resume', by, frozenSince, at: thaw.at } }];
  }
  if (state.stopped === null) return [];
  if (state.status !== 'frozen') return abort(state.stopped, id, frozenSince);
  const order = said('Freeze', id, state.stopped);
  // One that was resumed all the same, a moment before the window was frozen or past it, is told once more.
  return [{ ...order, key: resumedAt === null ? order.key : [...order.key, resumedAt] }];
}

/** Why a person may not let a single rollout of this window go on; null = the window has nothing against it. */
export function resumeRefusal({ status, window, stopped: statement, frozenFrom }: Scheduled): Refusal | null {
  if (status !== 'frozen' || statement === null) return null;
  const { by, reason, at } = statement;
  const own = `POST /v1/windows/${window.windowId}/resume`;
  const fleet = frozenFrom?.fleet === true;
  const what = fleet ? 'The whole fleet, with the window of this rollout,' : 'The window of this rollout';
  const how = fleet ? `POST /v1/fleet/resume, or for this window alone with ${own}` : own;
  const detail = `${what} was frozen by ${by} at ${at}: ${reason}. An operator ends that with ${how}.`;
  return { pointer: '', code: 'WINDOW_FROZEN', detail };
}

/** A frozen rollout is a person's: it is aborted after they resumed it. */
function abort(statement: Statement, id: string, frozenSince: string | null): readonly RolloutOrder[] {
  return frozenSince === null ? [said('Abort', id, statement)] : [];
}

function said(type: 'Freeze' | 'Abort', id: string, { by: subject, reason, at }: Statement): RolloutOrder {
  return { key: [type, id, at], command: { type, by: { subject, role: 'operator' }, reason, at } };
}

function givenUp(state: Scheduled, { id, frozenSince }: RolloutSeen): readonly RolloutOrder[] {
  const entry = state.givenUp[id];
  if (entry === undefined || frozenSince !== null) return [];
  return [{ key: ['given-up', id, entry.at], command: { type: 'Abort', by: WINDOW, ...entry } }];
}
