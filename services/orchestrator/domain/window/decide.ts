import { accept, refuse, type Decider, type Decision, type Refusal } from '@understudy/decider';
import { msOf } from '../rollout/time.js';
import { evolveWindow, INITIAL_WINDOW } from './evolve.js';
import type { WindowCommand, WindowEvent, WindowScheduled, WindowState } from './window.js';

type Command<T extends WindowCommand['type']> = Extract<WindowCommand, { type: T }>;
type Decided = Decision<WindowEvent>;
type Existing = WindowState & { readonly scheduled: WindowScheduled };

/** Orders and reports become facts of the window, or are refused with reasons. */
export function decideWindow(command: WindowCommand, state: WindowState): Decided {
  if (command.type === 'ScheduleWindow') return schedule(command, state);
  if (!exists(state)) return refuse('not-found', { pointer: '', code: 'WINDOW_UNKNOWN', detail: 'There is no such window.' });
  switch (command.type) {
    case 'ApproveWindow':
      return approve(command, state);
    case 'RejectWindow':
      return reject(command, state);
    case 'FreezeWindow':
      return freeze(command, state);
    case 'OpenWindow':
      return state.status === 'scheduled' ? accept<WindowEvent>({ type: 'WindowOpened', data: { at: command.at } }) : accept();
    case 'CloseWindow':
      return close(command, state);
  }
}

export const windowDecider: Decider<WindowState, WindowCommand, WindowEvent> = {
  initial: INITIAL_WINDOW,
  decide: decideWindow,
  evolve: evolveWindow,
};

function exists(state: WindowState): state is Existing {
  return state.scheduled !== null;
}

function schedule(command: Command<'ScheduleWindow'>, state: WindowState): Decided {
  const { window, estimates } = command;
  if (state.scheduled?.windowId === window.windowId) return accept();
  const complaints = [...complaintsOfTime(window), ...complaintsOfLength(window, estimates)];
  if (complaints.length > 0) return refuse('invalid', ...complaints);
  return accept<WindowEvent>({ type: 'WindowScheduled', data: window });
}

function complaintsOfTime(window: WindowScheduled): readonly Refusal[] {
  const complaints: Refusal[] = [];
  if (msOf(window.closesAt) <= msOf(window.opensAt)) {
    complaints.push({ pointer: '/closesAt', code: 'CLOSES_BEFORE_IT_OPENS', detail: `The window closes at ${window.closesAt}, not after it opens at ${window.opensAt}.` });
  }
  if (msOf(window.closesAt) <= msOf(window.at)) {
    complaints.push({ pointer: '/closesAt', code: 'WINDOW_IN_THE_PAST', detail: `It is ${window.at} now; the window closed at ${window.closesAt}. Choose a time to come.` });
  }
  return complaints;
}

/** A window must hold the way there and the way back; it cannot begin before now. */
function complaintsOfLength(window: WindowScheduled, estimates: Command<'ScheduleWindow'>['estimates']): readonly Refusal[] {
  const availableMs = msOf(window.closesAt) - Math.max(msOf(window.opensAt), msOf(window.at));
  return estimates.flatMap(({ cluster, neededMs }) => {
    if (neededMs === null || neededMs <= availableMs) return [];
    const detail = `${cluster} needs ${seconds(neededMs)} for the way there and back, the window has ${seconds(availableMs)}. Let it close later.`;
    return [{ pointer: '/closesAt', code: 'WINDOW_TOO_SHORT', detail }];
  });
}

function seconds(ms: number): string {
  return `${Math.ceil(ms / 1000)} s`;
}

function approve(command: Command<'ApproveWindow'>, state: Existing): Decided {
  const { by, bindings, inForce, at } = command;
  const refusal = approverRefusal(by.role, by.subject, state) ?? notDecidable(state);
  if (refusal !== null) return refusal;
  const rollouts = state.scheduled.rollouts.map((rollout) => rollout.id);
  const changed = rollouts.filter((id) => inForce[id] === undefined || bindings[id] !== inForce[id]);
  if (changed.length > 0) {
    const details = changed.map((id) => ({
      pointer: `/bindings/${id}`,
      code: 'PLAN_CHANGED',
      detail: `What is in force for rollout ${id} (${inForce[id] ?? 'no plan yet'}) is not what you approve (${bindings[id] ?? 'nothing'}). Read the plan again.`,
    }));
    return refuse('conflict', ...details);
  }
  return accept<WindowEvent>({ type: 'WindowApproved', data: { by: by.subject, bindings, at } });
}

function reject(command: Command<'RejectWindow'>, state: Existing): Decided {
  const { by, reason, at } = command;
  const refusal = roleRefusal(by.role, ['approver', 'admin'], 'reject a window') ?? notDecidable(state);
  if (refusal !== null) return refusal;
  return accept<WindowEvent>({ type: 'WindowRejected', data: { by: by.subject, reason, at } });
}

function freeze(command: Command<'FreezeWindow'>, state: Existing): Decided {
  const { by, reason, at } = command;
  const refusal = roleRefusal(by.role, ['operator', 'admin'], 'freeze a window');
  if (refusal !== null) return refusal;
  if (state.status === 'closed' || state.status === 'frozen' || state.status === 'rejected') return accept();
  return accept<WindowEvent>({ type: 'WindowFrozen', data: { by: by.subject, reason, at } });
}

function close(command: Command<'CloseWindow'>, state: Existing): Decided {
  if (state.status === 'closed') return accept();
  const results: Record<string, number> = {};
  for (const result of Object.values(command.results)) results[result] = (results[result] ?? 0) + 1;
  return accept<WindowEvent>({ type: 'WindowClosed', data: { results, at: command.at } });
}

function approverRefusal(role: string, subject: string, state: Existing): Decided | null {
  const wrongRole = roleRefusal(role, ['approver', 'admin'], 'approve a window');
  if (wrongRole !== null) return wrongRole;
  if (subject !== state.scheduled.scheduledBy) return null;
  return refuse('forbidden', { pointer: '', code: 'SELF_APPROVAL', detail: `${subject} scheduled this window; somebody else has to approve it.` });
}

function roleRefusal(role: string, allowed: readonly string[], what: string): Decided | null {
  if (allowed.includes(role)) return null;
  return refuse('forbidden', { pointer: '', code: 'ROLE_REQUIRED', detail: `To ${what} takes the role ${allowed.join(' or ')}, not ${role}.` });
}

function notDecidable(state: Existing): Decided | null {
  if (state.status !== 'closed' && state.status !== 'rejected' && state.status !== 'frozen') return null;
  return refuse('conflict', { pointer: '', code: 'WINDOW_ENDED', detail: `The window is ${state.status}; schedule another one.` });
}
