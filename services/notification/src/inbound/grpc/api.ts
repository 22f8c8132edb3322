import { notification as contract } from '@understudy/contracts';
import type { GrpcApi } from '@understudy/runtime';
import { DeliveriesController } from '../http/deliveries.controller.js';
import { SubscriptionsController } from '../http/subscriptions.controller.js';
import { TicketsController } from '../http/tickets.controller.js';
import { SecondLookController } from './second-look.controller.js';

/** Every RPC opens the operation of its name. */
export const notificationGrpc: GrpcApi = {
  services: [contract.SubscriptionService, contract.TicketService],
  controllers: [SubscriptionsController, DeliveriesController, TicketsController, SecondLookController],
};
