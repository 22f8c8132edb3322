import { fold } from '@understudy/decider';
import { describe, expect, it } from 'vitest';
import { schemaVersions, ticketDecider, upcast } from '../index.js';
import type { KnownWindow, TicketCommand, TicketEvent } from '../index.js';

const now = '2026-03-01T10:00:00.000Z';
const window: KnownWindow = { scheduledBy: 'otto', closesAt: '2026-03-02T04:00:00.000Z', closed: false };
const change = { ticketId: 't', windowId: 'w', system: 'manual', number: 'CHG1' } as const;
const record = (more: Partial<Extract<TicketCommand, { type: 'record' }>> = {}): TicketCommand => ({
  type: 'record',
  change,
  approver: 'anna',
  recordedBy: 'anna',
  expiresAt: undefined,
  window,
  now,
  ...more,
});
const approved: TicketEvent[] = [
  { type: 'ChangeCreated', data: { change } },
  { type: 'ChangeApproved', data: { change, approver: 'anna', approvedAt: now, expiresAt: window.closesAt } },
];
const decide = (events: TicketEvent[], command: TicketCommand) => ticketDecider.decide(command, fold(ticketDecider, events));
const codes = (decision: ReturnType<typeof decide>) =>
  decision.accepted ? [] : [decision.kind, ...decision.refusals.map(({ code }) => code)];

describe('a change ticket', () => {
  it('is recorded with its approval, which lasts until the window closes if nothing else is said', () => {
    expect(decide([], record())).toEqual({ accepted: true, events: approved });
    const sooner = '2026-03-01T12:00:00.000Z';
    const decision = decide([], record({ expiresAt: sooner }));
    expect(decision.accepted && decision.events[1]).toMatchObject({ data: { expiresAt: sooner } });
    expect(codes(decide(approved, record()))).toEqual(['conflict', 'TICKET_EXISTS']);
  });
  it('needs four eyes: who scheduled the window neither approves nor records the approval', () => {
    expect(codes(decide([], record({ approver: 'otto' })))).toEqual(['forbidden', 'OWN_APPROVAL']);
    expect(codes(decide([], record({ recordedBy: 'otto' })))).toEqual(['forbidden', 'OWN_APPROVAL']);
  });
  it('is for a window that is known and still open, and for a time to come', () => {
    expect(codes(decide([], record({ window: undefined })))).toEqual(['not-found', 'WINDOW_UNKNOWN']);
    expect(codes(decide([], record({ window: { ...window, closed: true } })))).toEqual(['invalid', 'WINDOW_CLOSED']);
    expect(codes(decide([], record({ window: { ...window, closesAt: now } })))).toEqual(['invalid', 'WINDOW_CLOSED']);
    expect(codes(decide([], record({ expiresAt: now })))).toEqual(['invalid', 'APPROVAL_EXPIRED']);
  });
  it('is rejected, held and closed at the version that was seen; then nothing more', () => {
    const reject: TicketCommand = { type: 'reject', reason: 'freeze', expectedVersion: 2 };
    expect(decide(approved, reject)).toEqual({
      accepted: true,
      events: [{ type: 'ChangeRejected', data: { change, reason: 'freeze' } }],
    });
    expect(decide(approved, { type: 'hold', reason: 'wait', expectedVersion: undefined })).toMatchObject({ accepted: true });
    expect(codes(decide(approved, { ...reject, expectedVersion: 1 }))).toEqual(['precondition', 'VERSION_MISMATCH']);
    expect(codes(decide([], reject))).toEqual(['not-found', 'TICKET_UNKNOWN']);
    const closing = decide(approved, { type: 'close', expectedVersion: 2 });
    expect(closing).toEqual({ accepted: true, events: [{ type: 'ChangeClosed', data: { change } }] });
    expect(
      codes(decide([...approved, { type: 'ChangeClosed', data: { change } }], { type: 'close', expectedVersion: 3 })),
    ).toEqual(['conflict', 'TICKET_CLOSED']);
  });
  it('shows its state', () => {
    const after = (...more: TicketEvent[]) => fold(ticketDecider, [...approved, ...more]);
    expect(after()).toMatchObject({ status: 'approved', approver: 'anna', expiresAt: window.closesAt, version: 2 });
    expect(after({ type: 'ChangeRejected', data: { change, reason: 'no' } })).toMatchObject({ status: 'rejected', reason: 'no' });
    expect(after({ type: 'ChangeHeld', data: { change, reason: 'wait' } })).toMatchObject({ status: 'held', reason: 'wait' });
    expect(after({ type: 'ChangeClosed', data: { change } })).toMatchObject({ status: 'closed', version: 3 });
  });
});

describe('stored events', () => {
  it('are read in every version that was ever written, and no other', () => {
    for (const [type, schemaVersion] of Object.entries(schemaVersions))
      expect(upcast({ type, schemaVersion, body: {} })).toEqual({ type, data: {} });
    expect(() => upcast({ type: 'ChangeCreated', schemaVersion: 2, body: {} })).toThrow('newer build');
    expect(() => upcast({ type: 'ChangeCreated', schemaVersion: 0, body: {} })).toThrow('not known');
    expect(() => upcast({ type: 'toString', schemaVersion: 1, body: {} })).toThrow('not known');
  });
});
