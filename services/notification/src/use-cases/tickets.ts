/** What doors may ask about change tickets; throws `Problem`s. */
import { execute, loadStream } from '@understudy/event-log';
import type { EventMetadata, Store } from '@understudy/event-log';
import { ticketDecider } from '@understudy/notification-domain';
import type { TicketCommand, TicketState } from '@understudy/notification-domain';
import { notFound } from '@understudy/runtime';
import { accepted, ticketCodec, ticketStream } from '../handle.js';
import type { KnownWindows, TicketList } from '../projections/tickets/tickets.js';

export interface NewTicket {
  readonly windowId: string;
  readonly number: string;
  readonly approver: string;
  readonly expiresAt?: string;
}

export interface TicketView {
  readonly id: string;
  readonly windowId: string;
  readonly system: 'manual';
  readonly number: string;
  readonly status: string;
  readonly approver: string | null;
  readonly approvedAt: string | null;
  readonly expiresAt: string | null;
  readonly reason: string | null;
}

/** What the orchestrator's gate reads once more before it counts. */
export interface TicketOfWindow {
  readonly ticketId: string;
  readonly number: string;
  readonly approver: string;
  readonly approved: boolean;
  readonly expiresAt: string | null;
  readonly reason: string | null;
}

export interface TicketChange {
  readonly view: TicketView;
  readonly version: number;
  readonly replayed: boolean;
  readonly position: number | undefined;
}

type Revision = { readonly type: 'reject' | 'hold'; readonly reason: string } | { readonly type: 'close' };

export class Tickets {
  constructor(
    private readonly store: Store,
    private readonly windows: KnownWindows,
    private readonly list: TicketList,
    /** Resolves when lists show everything that was accepted before now. */
    private readonly caughtUp: () => Promise<void>,
  ) {}

  async record(id: string, ticket: NewTicket, metadata: EventMetadata): Promise<TicketChange> {
    const { windowId, number, approver, expiresAt } = ticket;
    const window = await this.windows.find(windowId);
    return await this.execute(
      id,
      {
        type: 'record',
        change: { ticketId: id, windowId, system: 'manual', number },
        approver,
        recordedBy: metadata.actor.subject,
        expiresAt,
        window,
        now: new Date(this.store.now()).toISOString(),
      },
      metadata,
    );
  }

  revise(id: string, revision: Revision, metadata: EventMetadata, expectedVersion: number | undefined): Promise<TicketChange> {
    return this.execute(id, { ...revision, expectedVersion }, metadata);
  }

  async get(id: string): Promise<{ readonly view: TicketView; readonly version: number }> {
    const { state, version } = await loadStream(this.store.log, ticketDecider, ticketCodec, ticketStream(id));
    return { view: viewOf(id, state), version };
  }

  /** The ticket that was recorded last for a window, as it is now; null = none. */
  async latestOf(windowId: string): Promise<TicketOfWindow | null> {
    await this.caughtUp();
    const row = await this.list.latestOf(windowId);
    if (row === undefined) return null;
    const { view } = await this.get(row.id);
    const { number, approver, expiresAt, reason, status } = view;
    return {
      ticketId: row.id,
      number,
      approver: approver ?? '',
      approved: status === 'approved',
      expiresAt,
      reason: status === 'closed' ? 'The ticket was closed.' : reason,
    };
  }

  private async execute(id: string, command: TicketCommand, metadata: EventMetadata): Promise<TicketChange> {
    const result = accepted(
      await execute(this.store.log, ticketDecider, { stream: ticketStream(id), codec: ticketCodec, command, metadata }),
    );
    return {
      view: viewOf(id, result.state),
      version: result.version,
      replayed: result.repeated,
      position: result.stored.at(-1)?.position,
    };
  }
}

function viewOf(id: string, state: TicketState): TicketView {
  const { change, status, approver, approvedAt, expiresAt, reason } = state;
  if (change === null) throw notFound('ticket', id);
  return {
    id,
    windowId: change.windowId,
    system: change.system,
    number: change.number,
    status,
    approver,
    approvedAt,
    expiresAt,
    reason,
  };
}
