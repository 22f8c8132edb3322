import type { DynamicModule, OnModuleDestroy, OnModuleInit } from '@nestjs/common';
import { Module } from '@nestjs/common';
import type { Transport } from '@understudy/messaging';
import type { Api } from '@understudy/runtime';
import { grpcControllers, openApiController } from '@understudy/runtime';
import type { NotificationConfig } from './config.js';
import { notificationGrpc } from './inbound/grpc/api.js';
import { SecondLookController } from './inbound/grpc/second-look.controller.js';
import { DeliveriesController } from './inbound/http/deliveries.controller.js';
import { SubscriptionsController } from './inbound/http/subscriptions.controller.js';
import { TicketsController } from './inbound/http/tickets.controller.js';
import { Notification } from './notification.js';

export const notificationApi: Api = {
  name: 'notification',
  title: 'Understudy notification',
  description: 'Subscriptions to events by signed webhooks, their deliveries, and the change tickets of windows.',
  controllers: [SubscriptionsController, DeliveriesController, TicketsController],
};

/** The notification service. A process hands it its store and transport; nothing is read from the environment here. */
@Module({})
export class NotificationModule implements OnModuleInit, OnModuleDestroy {
  constructor(private readonly notification: Notification) {}

  /** Give the transport before it is started: this registers what the service publishes and consumes. */
  static forRoot(config: NotificationConfig, transport: Transport): DynamicModule {
    return {
      module: NotificationModule,
      controllers: [
        ...notificationApi.controllers,
        openApiController(notificationApi),
        SecondLookController,
        ...grpcControllers(notificationGrpc, config.runtime),
      ],
      providers: [{ provide: Notification, useFactory: () => new Notification(config, transport) }],
      exports: [Notification],
    };
  }

  async onModuleInit(): Promise<void> {
    await this.notification.start();
  }

  async onModuleDestroy(): Promise<void> {
    await this.notification.stop();
  }
}
