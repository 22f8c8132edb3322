import { Controller } from '@nestjs/common';
import type { SubscriptionDocument } from '@understudy/notification-domain';
import { Operation, pageOf, reply } from '@understudy/runtime';
import type { Call, Reply } from '@understudy/runtime';
import { Notification } from '../../notification.js';
import type { SubscriptionRow } from '../../projections/subscriptions/subscriptions.js';
import type { Changed } from '../../use-cases/subscriptions.js';
import { ID_PARAM, SUBSCRIPTION, SUBSCRIPTIONS, SUBSCRIPTION_DOCUMENT, SUBSCRIPTION_WITH_SECRET } from './schemas.js';

const ONE = { tag: 'subscriptions', params: { subscriptionId: ID_PARAM } } as const;
type ById = { readonly subscriptionId: string };

@Controller()
export class SubscriptionsController {
  constructor(private readonly notification: Notification) {}

  @Operation({
    method: 'POST',
    path: '/v1/subscriptions',
    id: 'createSubscription',
    summary: 'Subscribe a webhook to events; the answer shows its secret once',
    tag: 'subscriptions',
    role: 'operator',
    creates: true,
    body: SUBSCRIPTION_DOCUMENT,
    answers: { 201: { description: 'The subscription with its secret.', schema: SUBSCRIPTION_WITH_SECRET } },
  })
  async create(call: Call<SubscriptionDocument>): Promise<Reply> {
    const { view, secret, ...made } = await this.notification.subscriptions.create(call.newId, call.body, call.metadata);
    await this.notification.readModels.written(made.position);
    return reply.created(
      { ...view, secret },
      { location: `/v1/subscriptions/${view.id}`, version: made.version, replayed: made.replayed },
    );
  }

  @Operation({
    method: 'GET',
    path: '/v1/subscriptions',
    id: 'listSubscriptions',
    summary: 'List subscriptions',
    tag: 'subscriptions',
    role: 'viewer',
    list: 'subscriptions',
    answers: { 200: { description: 'A page.', schema: SUBSCRIPTIONS } },
  })
  async list(call: Call): Promise<Reply> {
    const page = call.page({}, ['string']);
    const rows = await this.notification.subscriptionList.page(page.after?.[0]?.toString(), page.limit + 1);
    return reply.ok(pageOf(page, rows, ({ id }) => [id], itemOf));
  }

  @Operation({
    ...ONE,
    method: 'GET',
    path: '/v1/subscriptions/{subscriptionId}',
    id: 'getSubscription',
    summary: 'One subscription',
    role: 'viewer',
    answers: { 200: { description: 'It, without its secret.', schema: SUBSCRIPTION, headers: { ETag: 'Its version.' } } },
  })
  async get(call: Call<undefined, object, ById>): Promise<Reply> {
    const { view, version } = await this.notification.subscriptions.get(call.params.subscriptionId);
    return reply.ok(view, { version });
  }

  @Operation({
    ...ONE,
    method: 'PUT',
    path: '/v1/subscriptions/{subscriptionId}',
    id: 'changeSubscription',
    summary: 'Replace its document; this switches it on again if we had switched it off',
    role: 'operator',
    ifMatch: 'required',
    body: SUBSCRIPTION_DOCUMENT,
    answers: { 200: { description: 'As it is now.', schema: SUBSCRIPTION } },
  })
  async change(call: Call<SubscriptionDocument, object, ById>): Promise<Reply> {
    const changed = await this.notification.subscriptions.change(
      call.params.subscriptionId,
      call.body,
      call.metadata,
      call.expectedVersion,
    );
    return await this.answer(changed);
  }

  @Operation({
    ...ONE,
    method: 'DELETE',
    path: '/v1/subscriptions/{subscriptionId}',
    id: 'removeSubscription',
    summary: 'Remove it; what is still to be delivered to it is dropped',
    role: 'operator',
    ifMatch: 'required',
    answers: { 204: { description: 'It is gone, and its secret with it.' } },
  })
  async remove(call: Call<undefined, object, ById>): Promise<Reply> {
    const { position } = await this.notification.subscriptions.remove(
      call.params.subscriptionId,
      call.metadata,
      call.expectedVersion,
    );
    await this.notification.readModels.written(position);
    return reply.noContent();
  }

  @Operation({
    ...ONE,
    method: 'POST',
    path: '/v1/subscriptions/{subscriptionId}/rotate-secret',
    id: 'rotateSubscriptionSecret',
    summary: 'Make a new secret; for a day requests are signed with both',
    role: 'operator',
    answers: { 200: { description: 'The subscription with its new secret.', schema: SUBSCRIPTION_WITH_SECRET } },
  })
  async rotate(call: Call<undefined, object, ById>): Promise<Reply> {
    const { view, secret, version, replayed } = await this.notification.subscriptions.rotateSecret(
      call.params.subscriptionId,
      call.metadata,
    );
    return reply.ok({ ...view, secret }, { version, replayed });
  }

  private async answer({ view, version, replayed, position }: Changed): Promise<Reply> {
    await this.notification.readModels.written(position);
    return reply.ok(view, { version, replayed });
  }
}

function itemOf({ id, document, disabledReason }: SubscriptionRow): object {
  return { id, ...document, disabledReason };
}
