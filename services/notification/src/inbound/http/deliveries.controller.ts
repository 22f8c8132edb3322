import { Controller } from '@nestjs/common';
import { Operation, pageOf, reply } from '@understudy/runtime';
import type { Call, Reply } from '@understudy/runtime';
import { Notification } from '../../notification.js';
import { DELIVERIES, DELIVERY, DELIVERY_STATUS, ID_PARAM } from './schemas.js';

type ById = { readonly deliveryId: string };
type Filter = { readonly subscriptionId?: string; readonly status?: string };

@Controller()
export class DeliveriesController {
  constructor(private readonly notification: Notification) {}

  @Operation({
    method: 'GET',
    path: '/v1/deliveries',
    id: 'listDeliveries',
    summary: 'List deliveries, oldest first; status=exhausted are the dead letters',
    tag: 'deliveries',
    role: 'viewer',
    list: 'deliveries',
    query: { subscriptionId: ID_PARAM, status: DELIVERY_STATUS },
    answers: { 200: { description: 'A page.', schema: DELIVERIES } },
  })
  async list(call: Call<undefined, Filter>): Promise<Reply> {
    const { subscriptionId, status } = call.query;
    const page = call.page({ subscriptionId, status }, ['number', 'string']);
    const rows = await this.notification.queue.page({ subscriptionId, status }, page.after, page.limit + 1);
    return reply.ok(
      pageOf(
        page,
        rows,
        ({ createdAt, id }) => [Date.parse(createdAt), id],
        (row) => row,
      ),
    );
  }

  @Operation({
    method: 'GET',
    path: '/v1/deliveries/{deliveryId}',
    id: 'getDelivery',
    summary: 'One delivery',
    tag: 'deliveries',
    role: 'viewer',
    params: { deliveryId: ID_PARAM },
    answers: { 200: { description: 'It.', schema: DELIVERY } },
  })
  async get(call: Call<undefined, object, ById>): Promise<Reply> {
    return reply.ok(await this.notification.deliveries.get(call.params.deliveryId));
  }

  @Operation({
    method: 'POST',
    path: '/v1/deliveries/{deliveryId}/redeliver',
    id: 'redeliver',
    summary: 'Deliver it again, with the same webhook-id',
    tag: 'deliveries',
    role: 'operator',
    params: { deliveryId: ID_PARAM },
    answers: { 202: { description: 'It is on its way again.', schema: DELIVERY } },
  })
  async redeliver(call: Call<undefined, object, ById>): Promise<Reply> {
    const { row, replayed } = await this.notification.deliveries.redeliver(call.params.deliveryId, call.metadata);
    return reply.accepted(row, { replayed });
  }
}
