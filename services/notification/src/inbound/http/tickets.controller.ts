import { Controller } from '@nestjs/common';
import { Operation, pageOf, reply } from '@understudy/runtime';
import type { Call, Reply } from '@understudy/runtime';
import { Notification } from '../../notification.js';
import type { TicketRow } from '../../projections/tickets/tickets.js';
import type { NewTicket, TicketChange } from '../../use-cases/tickets.js';
import { ID_PARAM, NEW_TICKET, REASON, TICKET, TICKETS, WINDOW_ID } from './schemas.js';

type ById = { readonly ticketId: string };
type WithReason = { readonly reason: string };

const REVISION = {
  tag: 'tickets',
  method: 'POST',
  role: 'approver',
  params: { ticketId: ID_PARAM },
  ifMatch: 'required',
  answers: { 200: { description: 'As it is now.', schema: TICKET } },
} as const;

@Controller()
export class TicketsController {
  constructor(private readonly notification: Notification) {}

  @Operation({
    method: 'POST',
    path: '/v1/tickets',
    id: 'recordTicket',
    summary: 'Record the approved change ticket of a window',
    description: 'Neither the approver nor whose token this is may be the person who scheduled the window.',
    tag: 'tickets',
    role: 'approver',
    creates: true,
    body: NEW_TICKET,
    answers: { 201: { description: 'The ticket.', schema: TICKET } },
  })
  async record(call: Call<NewTicket>): Promise<Reply> {
    const { view, version, replayed, position } = await this.notification.tickets.record(call.newId, call.body, call.metadata);
    await this.notification.readModels.written(position);
    return reply.created(view, { location: `/v1/tickets/${view.id}`, version, replayed });
  }

  @Operation({
    method: 'GET',
    path: '/v1/tickets',
    id: 'listTickets',
    summary: 'List tickets',
    tag: 'tickets',
    role: 'viewer',
    list: 'tickets',
    query: { windowId: WINDOW_ID },
    answers: { 200: { description: 'A page.', schema: TICKETS } },
  })
  async list(call: Call<undefined, { readonly windowId?: string }>): Promise<Reply> {
    const { windowId } = call.query;
    const page = call.page({ windowId }, ['string']);
    const rows = await this.notification.ticketList.page(windowId, page.after?.[0]?.toString(), page.limit + 1);
    return reply.ok(pageOf(page, rows, ({ id }) => [id], itemOf));
  }

  @Operation({
    method: 'GET',
    path: '/v1/tickets/{ticketId}',
    id: 'getTicket',
    summary: 'One ticket',
    tag: 'tickets',
    role: 'viewer',
    params: { ticketId: ID_PARAM },
    answers: { 200: { description: 'It.', schema: TICKET, headers: { ETag: 'Its version.' } } },
  })
  async get(call: Call<undefined, object, ById>): Promise<Reply> {
    const { view, version } = await this.notification.tickets.get(call.params.ticketId);
    return reply.ok(view, { version });
  }

  @Operation({
    ...REVISION,
    path: '/v1/tickets/{ticketId}/reject',
    id: 'rejectTicket',
    summary: 'It was rejected: the gate closes',
    body: REASON,
  })
  reject(call: Call<WithReason, object, ById>): Promise<Reply> {
    return this.answer(
      this.notification.tickets.revise(
        call.params.ticketId,
        { type: 'reject', ...call.body },
        call.metadata,
        call.expectedVersion,
      ),
    );
  }

  @Operation({
    ...REVISION,
    path: '/v1/tickets/{ticketId}/hold',
    id: 'holdTicket',
    summary: 'It is on hold: the gate closes',
    body: REASON,
  })
  hold(call: Call<WithReason, object, ById>): Promise<Reply> {
    return this.answer(
      this.notification.tickets.revise(call.params.ticketId, { type: 'hold', ...call.body }, call.metadata, call.expectedVersion),
    );
  }

  @Operation({ ...REVISION, path: '/v1/tickets/{ticketId}/close', id: 'closeTicket', summary: 'The change is done' })
  close(call: Call<undefined, object, ById>): Promise<Reply> {
    return this.answer(
      this.notification.tickets.revise(call.params.ticketId, { type: 'close' }, call.metadata, call.expectedVersion),
    );
  }

  private async answer(change: Promise<TicketChange>): Promise<Reply> {
    const { view, version, replayed, position } = await change;
    await this.notification.readModels.written(position);
    return reply.ok(view, { version, replayed });
  }
}

function itemOf({ recordedBy: _by, recordedAt: _at, version: _version, ...ticket }: TicketRow): object {
  return ticket;
}
