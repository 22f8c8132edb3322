/** A change ticket of a window, as a person or a ticket system tells it. Stream `ticket/<id>`. */
import type { Decider, Decision, Refusal, RefusalKind } from '@understudy/decider';
import { accept, refuse } from '@understudy/decider';

export interface Change {
  readonly ticketId: string;
  readonly windowId: string;
  readonly system: 'manual';
  /** The number in the ticket system. */
  readonly number: string;
}

/** Each carries the change, so that it can be published by itself. */
export type TicketEvent =
  | { readonly type: 'ChangeCreated'; readonly data: { readonly change: Change } }
  | {
      readonly type: 'ChangeApproved';
      readonly data: {
        readonly change: Change;
        readonly approver: string;
        readonly approvedAt: string;
        readonly expiresAt: string;
      };
    }
  | { readonly type: 'ChangeRejected'; readonly data: { readonly change: Change; readonly reason: string } }
  | { readonly type: 'ChangeHeld'; readonly data: { readonly change: Change; readonly reason: string } }
  | { readonly type: 'ChangeClosed'; readonly data: { readonly change: Change } };

/** What is known of the window that a ticket is for. */
export interface KnownWindow {
  /** Who asked for the change. */
  readonly scheduledBy: string;
  /** RFC 3339. */
  readonly closesAt: string;
  readonly closed: boolean;
}

export type TicketCommand =
  | {
      readonly type: 'record';
      readonly change: Change;
      /** Who approved in the ticket system, by name. */
      readonly approver: string;
      /** Whose token gave this command. */
      readonly recordedBy: string;
      /** Undefined = until the window closes. */
      readonly expiresAt: string | undefined;
      readonly window: KnownWindow | undefined;
      readonly now: string;
    }
  | { readonly type: 'reject'; readonly reason: string; readonly expectedVersion: number | undefined }
  | { readonly type: 'hold'; readonly reason: string; readonly expectedVersion: number | undefined }
  | { readonly type: 'close'; readonly expectedVersion: number | undefined };

export interface TicketState {
  readonly status: 'none' | 'created' | 'approved' | 'rejected' | 'held' | 'closed';
  readonly change: Change | null;
  readonly approver: string | null;
  readonly approvedAt: string | null;
  readonly expiresAt: string | null;
  /** Why it was rejected or held. */
  readonly reason: string | null;
  /** Events of the stream so far: what `If-Match` names. */
  readonly version: number;
}

const NONE: TicketState = {
  status: 'none',
  change: null,
  approver: null,
  approvedAt: null,
  expiresAt: null,
  reason: null,
  version: 0,
};

export const ticketDecider: Decider<TicketState, TicketCommand, TicketEvent> = {
  initial: NONE,
  decide: (command, state) => (command.type === 'record' ? record(command, state) : revise(command, state)),
  evolve: (state, event) => ({ ...after(state, event), version: state.version + 1 }),
};

function after(state: TicketState, event: TicketEvent): TicketState {
  switch (event.type) {
    case 'ChangeCreated':
      return { ...NONE, status: 'created', change: event.data.change };
    case 'ChangeApproved':
      return { ...state, status: 'approved', ...event.data, reason: null };
    case 'ChangeRejected':
      return { ...state, status: 'rejected', reason: event.data.reason };
    case 'ChangeHeld':
      return { ...state, status: 'held', reason: event.data.reason };
    case 'ChangeClosed':
      return { ...state, status: 'closed' };
  }
}

function one(kind: RefusalKind, pointer: string, code: string, detail: string): Decision<never> {
  return refuse(kind, { pointer, code, detail });
}

/** Milliseconds of RFC 3339; NaN compares as false. */
const msOf = (time: string): number => Date.parse(time);

function record(command: Extract<TicketCommand, { type: 'record' }>, state: TicketState): Decision<TicketEvent> {
  const { change, window, approver, now } = command;
  if (state.status !== 'none')
    return one('conflict', '', 'TICKET_EXISTS', 'This ticket is recorded already. Reject or close it, then record another.');
  if (window === undefined) {
    return one(
      'not-found',
      '/windowId',
      'WINDOW_UNKNOWN',
      `No window ${change.windowId} has been heard of. If it was scheduled a moment ago, try again.`,
    );
  }
  const expiresAt = command.expiresAt ?? window.closesAt;
  const complaints: readonly Refusal[] = [
    ...ownApproval(approver, command.recordedBy, window),
    ...inTime(expiresAt, window, now),
  ];
  if (complaints.length > 0)
    return refuse(complaints.some(({ code }) => code === 'OWN_APPROVAL') ? 'forbidden' : 'invalid', ...complaints);
  return accept<TicketEvent>(
    { type: 'ChangeCreated', data: { change } },
    { type: 'ChangeApproved', data: { change, approver, approvedAt: now, expiresAt } },
  );
}

/** Four eyes: who asked for the change neither approves it nor records its approval. */
function ownApproval(approver: string, recordedBy: string, { scheduledBy }: KnownWindow): readonly Refusal[] {
  const detail = `${scheduledBy} scheduled this window and may not approve it. Another person with the role approver must.`;
  if (approver === scheduledBy) return [{ pointer: '/approver', code: 'OWN_APPROVAL', detail }];
  return recordedBy === scheduledBy ? [{ pointer: '', code: 'OWN_APPROVAL', detail }] : [];
}

function inTime(expiresAt: string, window: KnownWindow, now: string): readonly Refusal[] {
  if (window.closed || msOf(window.closesAt) <= msOf(now)) {
    return [
      {
        pointer: '/windowId',
        code: 'WINDOW_CLOSED',
        detail: 'This window is closed; a ticket can no longer open anything for it.',
      },
    ];
  }
  if (msOf(expiresAt) <= msOf(now)) {
    return [
      {
        pointer: '/expiresAt',
        code: 'APPROVAL_EXPIRED',
        detail: `The approval would have expired at ${expiresAt}. Give a later time, or none: then it lasts until the window closes.`,
      },
    ];
  }
  return [];
}

function revise(command: Exclude<TicketCommand, { type: 'record' }>, state: TicketState): Decision<TicketEvent> {
  if (state.change === null)
    return one('not-found', '', 'TICKET_UNKNOWN', 'There is no such ticket. List them to see which there are.');
  if (command.expectedVersion !== undefined && command.expectedVersion !== state.version) {
    return one(
      'precondition',
      '',
      'VERSION_MISMATCH',
      `It is at version ${state.version} now, not ${command.expectedVersion}: somebody changed it. Read it again, then decide again.`,
    );
  }
  if (state.status === 'closed')
    return one('conflict', '', 'TICKET_CLOSED', 'This ticket is closed; nothing more happens to it. Record another.');
  const { change } = state;
  switch (command.type) {
    case 'reject':
      return accept<TicketEvent>({ type: 'ChangeRejected', data: { change, reason: command.reason } });
    case 'hold':
      return accept<TicketEvent>({ type: 'ChangeHeld', data: { change, reason: command.reason } });
    case 'close':
      return accept<TicketEvent>({ type: 'ChangeClosed', data: { change } });
  }
}
