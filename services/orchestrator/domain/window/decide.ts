import { accept, refuse, type Decider, type Decision, type Refusal } from '@understudy/decider';
import type { Person } from '../rollout/rollout.js';
import { isoOf, msOf } from '../rollout/time.js';
import { arrange } from './arrange.js';
import { evolveWindow, NO_WINDOW } from './evolve.js';
import { spanMs } from './span.js';
import { due, failuresOf, untested } from './waves.js';
import type { Scheduled, TimeNeeded, Wave, WindowCommand, WindowEvent, WindowState, WindowStatus } from './window.js';

type Command<T extends WindowCommand['type']> = Extract<WindowCommand, { type: T }>;
type Decided = Decision<WindowEvent>;

/** How far, in milliseconds, an opening time may lie behind the moment it is scheduled: what a request takes, and clocks. */
export const OPENING_TOLERANCE_MS = 60_000;

export function decideWindow(command: WindowCommand, state: WindowState): Decided {
  if (command.type === 'ScheduleWindow') return schedule(command, state);
  const { window } = state;
  if (window === null) return refuse('not-found', { pointer: '', code: 'WINDOW_UNKNOWN', detail: 'There is no such window.' });
  return onWindow(command, { ...state, window });
}

export const windowDecider: Decider<WindowState, WindowCommand, WindowEvent> = {
  initial: NO_WINDOW,
  decide: decideWindow,
  evolve: evolveWindow,
};

function onWindow(command: Exclude<WindowCommand, { type: 'ScheduleWindow' }>, state: Scheduled): Decided {
  switch (command.type) {
    case 'ApproveWindow':
      return approve(command, state);
    case 'RejectWindow':
      return reject(command, state);
    case 'OpenWindow':
      return open(command, state);
    case 'AdvanceWindow':
      return accept(...due(state, command.rollouts, msOf(command.at)));
    case 'HoldWindow':
      return hold(command, state);
    case 'ResumeWindow':
      return resume(command, state);
    case 'AbortWindow':
      return abort(command, state);
    case 'FreezeWindow':
      return freeze(command, state);
    case 'CancelWindow':
      return cancel(command, state);
    case 'CloseWindow':
      return close(command, state);
  }
}

function forbidden(by: Person, ...roles: readonly Person['role'][]): Decision<never> | null {
  if (roles.includes(by.role)) return null;
  return refuse('forbidden', {
    pointer: '',
    code: 'ROLE_MISSING',
    detail: `${by.subject} is ${by.role}; this takes one of: ${roles.join(', ')}.`,
  });
}

function isOneOf({ status }: Scheduled, ...among: readonly WindowStatus[]): boolean {
  return among.includes(status);
}

function notNow(state: Scheduled, wanted: string): Decision<never> {
  return refuse('conflict', { pointer: '', code: 'WINDOW_NOT_READY', detail: `The window is ${state.status}; ${wanted}.` });
}

// ---------------------------------------------------------------- scheduling

function schedule(command: Command<'ScheduleWindow'>, state: WindowState): Decided {
  const role = forbidden(command.by, 'operator', 'admin');
  if (role !== null) return role;
  if (state.window !== null) {
    if (state.window.windowId === command.window.windowId) return accept();
    return refuse('conflict', { pointer: '', code: 'ALREADY_SCHEDULED', detail: 'This stream holds another window.' });
  }
  const arranged = arrange({ ...command.window, waves: command.waves });
  const wrong = 'refusals' in arranged ? arranged.refusals : room(command, arranged.waves);
  const refusals = [...times(command), ...clusters(command), ...outage(command), ...wrong];
  if (refusals.length > 0 || 'refusals' in arranged) return refuse('invalid', ...refusals);
  return accept<WindowEvent>({ type: 'WindowScheduled', data: { ...command.window, waves: arranged.waves } });
}

function times(command: Command<'ScheduleWindow'>): readonly Refusal[] {
  const { opensAt, closesAt } = command.window;
  const past: Refusal = {
    pointer: '/opensAt',
    code: 'WINDOW_IN_THE_PAST',
    detail: `It is ${command.at}, and the window would have opened at ${opensAt}.`,
  };
  const backwards: Refusal = {
    pointer: '/closesAt',
    code: 'CLOSES_BEFORE_IT_OPENS',
    detail: `${closesAt} is not after ${opensAt}.`,
  };
  return [
    ...(msOf(opensAt) < msOf(command.at) - OPENING_TOLERANCE_MS ? [past] : []),
    ...(msOf(closesAt) <= msOf(opensAt) ? [backwards] : []),
  ];
}

function clusters(command: Command<'ScheduleWindow'>): readonly Refusal[] {
  const { clusters: wanted } = command.window;
  const none: Refusal = { pointer: '/clusters', code: 'NO_CLUSTERS', detail: 'A window names at least one cluster.' };
  const wrong = wanted.flatMap((slug, index): Refusal[] => {
    const pointer = `/clusters/${index}`;
    if (!command.knownClusters.includes(slug)) {
      return [
        { pointer, code: 'UNKNOWN_CLUSTER', detail: `No cluster ${slug} is registered. GET /v1/clusters lists those there are.` },
      ];
    }
    return wanted.indexOf(slug) === index
      ? []
      : [{ pointer, code: 'DUPLICATE_CLUSTER', detail: `${slug} is named twice: one rollout per cluster.` }];
  });
  return [...(wanted.length === 0 ? [none] : []), ...wrong];
}

/** A downtime states how long the workload may be away, so that it can be approved; nothing else has an outage to approve. */
function outage(command: Command<'ScheduleWindow'>): readonly Refusal[] {
  const { kind, outageBudgetMs } = command.window;
  const pointer = '/outageBudgetMs';
  if (kind === 'downtime' && outageBudgetMs === undefined) {
    const detail = 'A downtime window says how long the workload may be away, in milliseconds: that is what is approved.';
    return [{ pointer, code: 'OUTAGE_BUDGET_MISSING', detail }];
  }
  if (kind === 'downtime' || outageBudgetMs === undefined) return [];
  return [
    { pointer, code: 'OUTAGE_BUDGET_UNUSED', detail: `A window of kind ${kind} takes no workload away: leave the budget out.` },
  ];
}

/** The way there and back has to fit: of each cluster, and of all waves one after the other with what they soak. */
function room(command: Command<'ScheduleWindow'>, waves: readonly Wave[]): readonly Refusal[] {
  const { opensAt, closesAt } = command.window;
  const availableMs = msOf(closesAt) - Math.max(msOf(opensAt), msOf(command.at));
  const tooShort = (what: string, neededMs: number): Refusal => {
    const least = isoOf(msOf(closesAt) - availableMs + neededMs);
    const detail = `${what}, the window has ${availableMs} ms. Let it close at ${least} or later.`;
    return { pointer: '/closesAt', code: 'WINDOW_TOO_SHORT', detail };
  };
  const alone = command.needed
    .filter((needed) => needed.forwardMs + needed.wayBackMs > availableMs)
    .map((needed) =>
      tooShort(
        `${needed.cluster} needs ${needed.forwardMs} ms there and ${needed.wayBackMs} ms back`,
        needed.forwardMs + needed.wayBackMs,
      ),
    );
  const togetherMs = allWavesMs(command, waves);
  if (alone.length > 0 || togetherMs <= availableMs) return alone;
  return [tooShort(`Its ${waves.length} waves need ${togetherMs} ms, one after the other, there and back`, togetherMs)];
}

/** Ways back are counted once: after the wave in which one is needed, nothing further begins. */
function allWavesMs({ window, needed }: Command<'ScheduleWindow'>, waves: readonly Wave[]): number {
  const members = waves.map((wave) => needed.filter(({ cluster }) => wave.clusters.includes(cluster)));
  const there = (wave: readonly TimeNeeded[]): number =>
    spanMs(
      wave.map((rollout) => ({ ...rollout, wayBackMs: 0 })),
      window.dependsOn,
    );
  let beginsMs = 0;
  let neededMs = 0;
  for (const wave of members) {
    neededMs = Math.max(neededMs, beginsMs + spanMs(wave, window.dependsOn));
    beginsMs += there(wave) + window.soakMs;
  }
  return neededMs;
}

// ---------------------------------------------------------------- the rest of its life

function approve(command: Command<'ApproveWindow'>, state: Scheduled): Decided {
  const role = forbidden(command.by, 'approver', 'admin');
  if (role !== null) return role;
  if (command.by.subject === state.window.scheduledBy) {
    const detail = `${command.by.subject} scheduled this window: another approver has to look at it.`;
    return refuse('forbidden', { pointer: '', code: 'SELF_APPROVAL', detail });
  }
  if (!isOneOf(state, 'scheduled', 'open', 'held')) return notNow(state, 'nothing is left to approve');
  const changed = state.window.rollouts.filter(
    ({ id }) => command.bindings[id] === undefined || command.bindings[id] !== command.inForce[id],
  );
  if (changed.length > 0) {
    const names = changed.map((rollout) => rollout.cluster).join(', ');
    const detail = `What was looked at is not what would be done now for: ${names}. Read the plans again, then approve those.`;
    return refuse('conflict', { pointer: '/bindings', code: 'PLAN_CHANGED', detail });
  }
  const { bindings, at } = command;
  return accept<WindowEvent>({ type: 'WindowApproved', data: { by: command.by.subject, bindings, at } });
}

function reject(command: Command<'RejectWindow'>, state: Scheduled): Decided {
  const role = forbidden(command.by, 'approver', 'admin');
  if (role !== null) return role;
  if (state.status === 'rejected') return accept();
  if (state.status !== 'scheduled') return notNow(state, 'only a window that has not opened is rejected; abort it instead');
  return accept<WindowEvent>({ type: 'WindowRejected', data: stopped(command) });
}

function stopped(command: { readonly by: Person; readonly reason: string; readonly at: string }): {
  by: string;
  reason: string;
  at: string;
} {
  return { by: command.by.subject, reason: command.reason, at: command.at };
}

function open(command: Command<'OpenWindow'>, state: Scheduled): Decided {
  if (isOneOf(state, 'open', 'held')) return accept();
  if (state.status !== 'scheduled') return notNow(state, 'it does not open');
  if (msOf(command.at) < msOf(state.window.opensAt)) return notNow(state, `it opens at ${state.window.opensAt}`);
  return accept<WindowEvent>({ type: 'WindowOpened', data: { at: command.at } });
}

/** Nothing further begins. What runs goes on: hold its rollouts, or freeze the window, to stop that too. */
function hold(command: Command<'HoldWindow'>, state: Scheduled): Decided {
  const role = forbidden(command.by, 'operator', 'admin');
  if (role !== null) return role;
  if (state.status === 'held') return accept();
  if (state.status !== 'open') return notNow(state, 'only an open window is held; cancel or freeze one that has not opened');
  const whoCanChangeIt = 'an operator: resume the window, or let it close';
  return accept<WindowEvent>({ type: 'WindowHeld', data: { ...stopped(command), whoCanChangeIt } });
}

/** One stop at a time: a window that was held when it was frozen is held again. */
function resume(command: Command<'ResumeWindow'>, state: Scheduled): Decided {
  const role = forbidden(command.by, 'operator', 'admin');
  if (role !== null) return role;
  const frozen = state.frozenFrom !== null;
  if (!frozen && state.status !== 'held') {
    const detail = `The window is ${state.status}: there is nothing to resume.`;
    return refuse('conflict', { pointer: '', code: 'WINDOW_NOT_HELD', detail });
  }
  const seen = frozen ? [] : [...failuresOf(state, command.rollouts), ...untested(state, command.rollouts)];
  const passedOver = [...new Set(seen.map(({ id }) => id))];
  const as = state.frozenFrom?.status ?? 'open';
  return accept<WindowEvent>({ type: 'WindowResumed', data: { by: command.by.subject, at: command.at, passedOver, as } });
}

function abort(command: Command<'AbortWindow'>, state: Scheduled): Decided {
  const role = forbidden(command.by, 'operator', 'admin');
  if (role !== null) return role;
  if (state.status === 'aborting') return accept();
  if (!isOneOf(state, 'open', 'held'))
    return notNow(state, 'only an open window is aborted; cancel one that has not opened, resume a frozen one first');
  return accept<WindowEvent>({ type: 'WindowAborted', data: stopped(command) });
}

function freeze(command: Command<'FreezeWindow'>, state: Scheduled): Decided {
  const role = forbidden(command.by, 'operator', 'admin');
  if (role !== null) return role;
  if (state.status === 'frozen') return accept();
  if (!isOneOf(state, 'scheduled', 'open', 'held', 'aborting')) return notNow(state, 'nothing of it moves');
  const together = command.fleet === undefined ? {} : { fleet: command.fleet };
  return accept<WindowEvent>({ type: 'WindowFrozen', data: { ...stopped(command), ...together } });
}

function cancel(command: Command<'CancelWindow'>, state: Scheduled): Decided {
  const role = forbidden(command.by, 'operator', 'admin');
  if (role !== null) return role;
  if (state.status === 'cancelled') return accept();
  if (state.status !== 'scheduled') return notNow(state, 'only a window that has not opened is cancelled; abort it instead');
  return accept<WindowEvent>({ type: 'WindowCancelled', data: stopped(command) });
}

function close(command: Command<'CloseWindow'>, state: Scheduled): Decided {
  if (state.status === 'closed') return accept();
  if (!isOneOf(state, 'open', 'held', 'frozen', 'aborting')) return notNow(state, 'it has not been open');
  return accept<WindowEvent>({ type: 'WindowClosed', data: { results: command.results, at: command.at } });
}
