import { accept, refuse, type Decision } from '@understudy/decider';
import { requirementOf } from './gate-table.js';
import type { GateName } from './plan.js';
import type { GateEvaluated, Person, RolloutEvent } from './rollout.js';
import type { Known } from './state.js';
import { msOf } from './time.js';

/**
 * Two named persons open one gate with a reason and an expiry: an operator asks, an approver who is somebody else (and did
 * not plan the rollout) confirms. It binds to exactly the plan that was in force, and lapses with it. Rules that may never
 * break are no gates: what `violations` refuses stays refused, whoever signs.
 */

export type OverrideEvent =
  | { readonly type: 'OverrideRequested'; readonly data: OverrideRequested }
  | {
      readonly type: 'OverrideConfirmed';
      readonly data: OverrideRequested & { readonly confirmedBy: string; readonly confirmedAt: string };
    }
  | {
      readonly type: 'OverrideWithdrawn';
      readonly data: { readonly gate: GateName; readonly by: string; readonly reason: string; readonly at: string };
    };

export interface OverrideRequested {
  readonly gate: GateName;
  readonly by: string;
  readonly reason: string;
  /** RFC 3339; asked for or confirmed, it ends then. */
  readonly until: string;
  /** What was in force: plan, playbook, patch set, topology, window. */
  readonly binding: string;
  readonly at: string;
}

export interface Override extends OverrideRequested {
  readonly confirmed: { readonly by: string; readonly at: string } | null;
  readonly withdrawn: { readonly by: string; readonly reason: string; readonly at: string } | null;
}

export type OverrideCommand =
  | {
      readonly type: 'RequestOverride';
      readonly gate: GateName;
      readonly by: Person;
      readonly reason: string;
      readonly until: string;
      readonly at: string;
    }
  | { readonly type: 'ConfirmOverride'; readonly gate: GateName; readonly by: Person; readonly at: string }
  | {
      readonly type: 'WithdrawOverride';
      readonly gate: GateName;
      readonly by: Person;
      readonly reason: string;
      readonly at: string;
    };

type Command<T extends OverrideCommand['type']> = Extract<OverrideCommand, { type: T }>;
type Decided = Decision<RolloutEvent>;

/** Gates that feed a rule that may never break, or that nobody's word can make true: why they stay closed. */
const NEVER: Readonly<Partial<Record<GateName, string>>> = {
  'ha-layer': 'A cluster that cannot roll does not roll because two persons say so. Schedule a downtime window.',
  topology: 'Invariants 1, 2, 3 and 5 stand on the topology. Mend the cluster, or plan again.',
  'switchover-test': 'Invariant 11 lets nothing pass without an unexpired switchover result. Run a switchover test.',
  probe: 'The switchover test (invariant 11) and the report (invariant 14) stand on its measurement. Mend the probe host.',
  window: 'The window is the time there and back. Schedule a longer one.',
};

type InForce = Override & { readonly confirmed: NonNullable<Override['confirmed']> };

/** The override of a gate that holds at that time (milliseconds since the epoch): confirmed, not ended, its plan in force. */
export function overrideInForce(state: Known, gate: GateName, nowMs: number): InForce | undefined {
  const newest = newestOf(state, gate);
  if (newest === undefined || newest.confirmed === null || !stands(newest, state, nowMs)) return undefined;
  return { ...newest, confirmed: newest.confirmed };
}

/** A closed gate that two persons opened says so, with what it would say without them. */
export function overridden(state: Known, judged: GateEvaluated, at: string): GateEvaluated {
  const found = judged.status === 'open' ? undefined : overrideInForce(state, judged.gate, msOf(at));
  if (found === undefined) return judged;
  const { by, reason, until, confirmed } = found;
  return {
    ...judged,
    status: 'open',
    reason: `Open by override until ${until}: ${by} asked (${reason}), ${confirmed.by} confirmed. Without it: ${judged.reason}`,
    until,
    since: confirmed.at,
    whoCanChangeIt: `${by}, or an approver: withdraw the override`,
    final: false,
    evidence: { ...judged.evidence, override: { by, reason, until, confirmedBy: confirmed.by } },
  };
}

export function requestOverride(command: Command<'RequestOverride'>, state: Known): Decided {
  const { gate, by, reason, until, at } = command;
  const refusal = mayAsk(by) ?? mayOpen(gate, state) ?? within(until, at, state);
  if (refusal !== null) return refusal;
  const standing = newestOf(state, gate);
  if (standing !== undefined && stands(standing, state, msOf(at))) {
    if (standing.by === by.subject && standing.until === until && standing.reason === reason) return accept();
    const detail = `${standing.by} asked for gate ${gate} at ${standing.at}; withdraw that before another is asked for.`;
    return refuse('conflict', { pointer: '/gate', code: 'OVERRIDE_STANDS', detail });
  }
  const { binding } = state;
  return accept<RolloutEvent>({ type: 'OverrideRequested', data: { gate, by: by.subject, reason, until, binding, at } });
}

export function confirmOverride(command: Command<'ConfirmOverride'>, state: Known): Decided {
  const { gate, by, at } = command;
  const standing = newestOf(state, gate);
  if (standing === undefined || standing.withdrawn !== null) return notAsked(gate);
  if (standing.confirmed?.by === by.subject) return accept();
  if (standing.confirmed !== null) {
    const detail = `Gate ${gate} was opened already: ${standing.confirmed.by} confirmed.`;
    return refuse('conflict', { pointer: '/gate', code: 'OVERRIDE_CONFIRMED', detail });
  }
  const refusal = maySecond(by, standing, state) ?? stillGood(standing, state, at);
  if (refusal !== null) return refusal;
  const { confirmed: _none, withdrawn: _neither, ...asked } = standing;
  return accept<RolloutEvent>({ type: 'OverrideConfirmed', data: { ...asked, confirmedBy: by.subject, confirmedAt: at } });
}

/** Anybody who could have given it may take it back: closing a gate needs one person. */
export function withdrawOverride(command: Command<'WithdrawOverride'>, state: Known): Decided {
  const { gate, by, reason, at } = command;
  if (by.role === 'viewer') return roleMissing(by, 'an operator, approver or admin may withdraw an override.');
  const standing = newestOf(state, gate);
  if (standing === undefined) return notAsked(gate);
  if (standing.withdrawn !== null) return accept();
  return accept<RolloutEvent>({ type: 'OverrideWithdrawn', data: { gate, by: by.subject, reason, at } });
}

/** What the folded events leave of the list; a confirmed or withdrawn one is the newest of its gate. */
export function withOverride(overrides: readonly Override[], event: OverrideEvent): readonly Override[] {
  const { gate } = event.data;
  const newest = overrides.findLast((entry) => entry.gate === gate);
  const changed = (change: Partial<Override>): readonly Override[] =>
    overrides.map((entry) => (entry === newest ? { ...entry, ...change } : entry));
  switch (event.type) {
    case 'OverrideRequested':
      return [...overrides, { ...event.data, confirmed: null, withdrawn: null }];
    case 'OverrideConfirmed':
      return changed({ confirmed: { by: event.data.confirmedBy, at: event.data.confirmedAt } });
    case 'OverrideWithdrawn':
      return changed({ withdrawn: { by: event.data.by, reason: event.data.reason, at: event.data.at } });
  }
}

type Gates = Known['gates'];

/** An open gate that stood on an override stands on nothing from that moment. */
export function lapsedGate(gates: Gates, gate: GateName, at: string): Gates {
  const seen = gates[gate];
  return seen?.evidence['override'] === undefined ? gates : { ...gates, [gate]: { ...seen, until: at } };
}

/** Another plan: what was said of the one before, by an approval or an override, is no evidence any more. */
export function lapsedWithPlan(gates: Gates, at: string): Gates {
  const { approval, ...others } = gates;
  const kept = approval === undefined ? others : { ...others, approval: { ...approval, until: at } };
  return Object.values(others).reduce((seen: Gates, entry) => lapsedGate(seen, entry.gate, at), kept);
}

function newestOf(state: Known, gate: GateName): Override | undefined {
  return state.overrides.findLast((entry) => entry.gate === gate);
}

/** Asked for or in force, for the plan of now. */
function stands(entry: Override, state: Known, nowMs: number): boolean {
  return entry.withdrawn === null && entry.binding === state.binding && msOf(entry.until) > nowMs;
}

function roleMissing(by: Person, whoMay: string): Decision<never> {
  return refuse('forbidden', { pointer: '', code: 'ROLE_MISSING', detail: `${by.subject} is ${by.role}; ${whoMay}` });
}

function mayAsk(by: Person): Decision<never> | null {
  return by.role === 'operator' || by.role === 'admin' ? null : roleMissing(by, 'an operator or admin may ask for an override.');
}

function mayOpen(gate: GateName, state: Known): Decision<never> | null {
  const never = NEVER[gate];
  if (never !== undefined) {
    const detail = `Gate ${gate} cannot be opened by override. ${never}`;
    return refuse('conflict', { pointer: '/gate', code: 'NOT_OVERRIDABLE', detail });
  }
  const { cluster, kind } = state.planned;
  const { environment } = cluster;
  const requirement = requirementOf(gate, environment, kind);
  if (requirement === 'required') return null;
  const detail = `Gate ${gate} is ${requirement} in ${environment}: it stops nothing that an override could open.`;
  return refuse('conflict', { pointer: '/gate', code: 'GATE_NOT_REQUIRED', detail });
}

function within(until: string, at: string, state: Known): Decision<never> | null {
  if (msOf(until) > msOf(at) && msOf(until) <= msOf(state.planned.closesAt)) return null;
  const detail = `An override ends after now and with the window at the latest: until ${state.planned.closesAt}.`;
  return refuse('invalid', { pointer: '/until', code: 'OVERRIDE_EXPIRY', detail });
}

function maySecond(by: Person, standing: Override, state: Known): Decision<never> | null {
  if (by.role !== 'approver' && by.role !== 'admin') return roleMissing(by, 'an approver or admin may confirm an override.');
  const own = by.subject === standing.by ? 'asked for this override' : 'planned this rollout';
  if (by.subject !== standing.by && by.subject !== state.planned.plannedBy) return null;
  const detail = `${by.subject} ${own}: another approver has to confirm it.`;
  return refuse('forbidden', { pointer: '', code: 'SAME_PERSON', detail });
}

function stillGood(standing: Override, state: Known, at: string): Decision<never> | null {
  if (stands(standing, state, msOf(at))) return null;
  const why =
    standing.binding === state.binding ? `it ended at ${standing.until}` : 'the plan has changed since it was asked for';
  const detail = `The override of gate ${standing.gate} cannot be confirmed: ${why}. Ask again.`;
  return refuse('conflict', { pointer: '/gate', code: 'OVERRIDE_LAPSED', detail });
}

function notAsked(gate: GateName): Decision<never> {
  const detail = `Nobody has asked for an override of gate ${gate}.`;
  return refuse('not-found', { pointer: '/gate', code: 'OVERRIDE_UNKNOWN', detail });
}
