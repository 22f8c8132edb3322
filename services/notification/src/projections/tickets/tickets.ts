/** Read model `ticket_view`, and `window_view`: what the orchestrator said of the windows that tickets are for. */
import type { orchestrator } from '@understudy/contracts';
import type { Projection, Store, StoredEvent } from '@understudy/event-log';
import type { CloudEvent } from '@understudy/messaging';
import { sourcePosition } from '@understudy/messaging';
import { upcast } from '@understudy/notification-domain';
import type { KnownWindow } from '@understudy/notification-domain';
import type pg from 'pg';
import { ticketStream } from '../../handle.js';

export interface TicketRow {
  readonly id: string;
  readonly windowId: string;
  readonly system: 'manual';
  readonly number: string;
  readonly status: string;
  readonly approver: string | null;
  readonly approvedAt: string | null;
  readonly expiresAt: string | null;
  readonly reason: string | null;
  readonly recordedBy: string;
  readonly recordedAt: string;
  readonly version: number;
}

const PREFIX = ticketStream('');

export function ticketProjection(schema: string): Projection<pg.ClientBase> {
  return {
    name: 'projection/tickets',
    clear: async (tx) => {
      await tx.query(`truncate ${schema}.ticket_view`);
    },
    apply: async (stored, tx) => {
      if (stored.stream.startsWith(PREFIX)) await applyOne(schema, stored, tx);
    },
  };
}

async function applyOne(schema: string, stored: StoredEvent, tx: pg.ClientBase): Promise<void> {
  const id = stored.stream.slice(PREFIX.length);
  const event = upcast(stored);
  const update = (status: string, set = '', ...values: readonly unknown[]): Promise<unknown> =>
    tx.query(`update ${schema}.ticket_view set version = $2, status = $3${set} where id = $1`, [
      id,
      stored.version,
      status,
      ...values,
    ]);
  switch (event.type) {
    case 'ChangeCreated': {
      const { windowId, number } = event.data.change;
      await tx.query(
        `insert into ${schema}.ticket_view (id, window_id, number, status, recorded_by, version, recorded_at, position)
         values ($1, $2, $3, 'created', $4, $5, $6, $7) on conflict (id) do nothing`,
        [id, windowId, number, stored.metadata.actor.subject, stored.version, stored.time, stored.position],
      );
      return;
    }
    case 'ChangeApproved': {
      const { approver, approvedAt, expiresAt } = event.data;
      await update(
        'approved',
        ', approver = $4, approved_at = $5, expires_at = $6, reason = null',
        approver,
        approvedAt,
        expiresAt,
      );
      return;
    }
    case 'ChangeRejected':
      await update('rejected', ', reason = $4', event.data.reason);
      return;
    case 'ChangeHeld':
      await update('held', ', reason = $4', event.data.reason);
      return;
    default:
      await update('closed');
  }
}

interface RawTicket {
  readonly id: string;
  readonly window_id: string;
  readonly number: string;
  readonly status: string;
  readonly approver: string | null;
  readonly approved_at: Date | null;
  readonly expires_at: Date | null;
  readonly reason: string | null;
  readonly recorded_by: string;
  readonly recorded_at: Date;
  readonly version: number;
}

export class TicketList {
  constructor(private readonly store: Store) {}

  async page(windowId: string | undefined, after: string | undefined, limit: number): Promise<readonly TicketRow[]> {
    const { rows } = await this.store.pool.query<RawTicket>(
      `select * from ${this.store.schema}.ticket_view
       where ($1::text is null or window_id = $1) and ($2::text is null or id::text > $2) order by id::text limit $3`,
      [windowId ?? null, after ?? null, limit],
    );
    return rows.map(rowOf);
  }

  async one(id: string): Promise<TicketRow | undefined> {
    const { rows } = await this.store.pool.query<RawTicket>(`select * from ${this.store.schema}.ticket_view where id = $1`, [id]);
    return rows[0] === undefined ? undefined : rowOf(rows[0]);
  }

  /** The one that was recorded last for a window. */
  async latestOf(windowId: string): Promise<TicketRow | undefined> {
    const { rows } = await this.store.pool.query<RawTicket>(
      `select * from ${this.store.schema}.ticket_view where window_id = $1 order by position desc limit 1`,
      [windowId],
    );
    return rows[0] === undefined ? undefined : rowOf(rows[0]);
  }
}

function rowOf(row: RawTicket): TicketRow {
  return {
    id: row.id,
    windowId: row.window_id,
    system: 'manual',
    number: row.number,
    status: row.status,
    approver: row.approver,
    approvedAt: row.approved_at?.toISOString() ?? null,
    expiresAt: row.expires_at?.toISOString() ?? null,
    reason: row.reason,
    recordedBy: row.recorded_by,
    recordedAt: row.recorded_at.toISOString(),
    version: row.version,
  };
}

/** Upserts guarded by the source's position: an older message, or the same again, changes nothing. */
export class KnownWindows {
  constructor(private readonly store: Store) {}

  async scheduled(event: CloudEvent): Promise<void> {
    const window = event.data as orchestrator.WindowScheduledJson;
    await this.store.pool.query(
      `insert into ${this.store.schema}.window_view as w (window_id, scheduled_by, clusters, opens_at, closes_at, source, position)
       values ($1, $2, $3, $4, $5, $6, $7)
       on conflict (window_id) do update
         set scheduled_by = excluded.scheduled_by, clusters = excluded.clusters, opens_at = excluded.opens_at, closes_at = excluded.closes_at,
             source = excluded.source, position = excluded.position
         where w.source <> excluded.source or w.position < excluded.position`,
      [
        window.windowId,
        window.scheduledBy ?? '',
        window.clusters ?? [],
        window.opensAt,
        window.closesAt,
        event.source,
        sourcePosition(event),
      ],
    );
  }

  async closed(event: CloudEvent): Promise<void> {
    const { windowId } = event.data as orchestrator.WindowClosedJson;
    await this.store.pool.query(
      `update ${this.store.schema}.window_view set closed = true, source = $2, position = $3
       where window_id = $1 and (source <> $2 or position < $3)`,
      [windowId, event.source, sourcePosition(event)],
    );
  }

  async find(windowId: string): Promise<KnownWindow | undefined> {
    const { rows } = await this.store.pool.query<{ scheduled_by: string; closes_at: Date; closed: boolean }>(
      `select scheduled_by, closes_at, closed from ${this.store.schema}.window_view where window_id = $1`,
      [windowId],
    );
    const [row] = rows;
    return row === undefined
      ? undefined
      : { scheduledBy: row.scheduled_by, closesAt: row.closes_at.toISOString(), closed: row.closed };
  }
}
