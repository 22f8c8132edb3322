import type { DynamicModule, OnModuleDestroy, OnModuleInit } from '@nestjs/common';
import { Module } from '@nestjs/common';
import type { Transport } from '@understudy/messaging';
import type { Api } from '@understudy/runtime';
import { grpcControllers, openApiController } from '@understudy/runtime';
import type { InventoryConfig } from './config.js';
import { inventoryGrpc } from './inbound/grpc/api.js';
import { SecondLookController } from './inbound/grpc/second-look.controller.js';
import { ClustersController } from './inbound/http/clusters.controller.js';
import { CredentialsController } from './inbound/http/credentials.controller.js';
import { Inventory } from './inventory.js';

export const inventoryApi: Api = {
  name: 'inventory',
  title: 'Understudy inventory',
  description:
    'Clusters: what their owners registered, what was seen of them, what protects them, and how long fixes have waited.',
  controllers: [ClustersController, CredentialsController],
};

/** The inventory service. A process hands it its store, drivers and transport; nothing is read from the environment here. */
@Module({})
export class InventoryModule implements OnModuleInit, OnModuleDestroy {
  constructor(private readonly inventory: Inventory) {}

  /** Give the transport before it is started: this registers what the service publishes and consumes. */
  static forRoot(config: InventoryConfig, transport: Transport): DynamicModule {
    return {
      module: InventoryModule,
      controllers: [
        ...inventoryApi.controllers,
        openApiController(inventoryApi),
        SecondLookController,
        ...grpcControllers(inventoryGrpc, config.runtime),
      ],
      providers: [{ provide: Inventory, useFactory: () => new Inventory(config, transport) }],
      exports: [Inventory],
    };
  }

  async onModuleInit(): Promise<void> {
    await this.inventory.start();
  }

  async onModuleDestroy(): Promise<void> {
    await this.inventory.stop();
  }
}
