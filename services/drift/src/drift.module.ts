import type { DynamicModule, OnModuleDestroy, OnModuleInit } from '@nestjs/common';
import { Module } from '@nestjs/common';
import type { Transport } from '@understudy/messaging';
import type { Api } from '@understudy/runtime';
import { grpcControllers, openApiController } from '@understudy/runtime';
import type { DriftConfig } from './config.js';
import { Drift } from './drift.js';
import { driftGrpc } from './inbound/grpc/api.js';
import { BaselinesController } from './inbound/http/baselines.controller.js';
import { FindingsController } from './inbound/http/findings.controller.js';

export const driftApi: Api = {
  name: 'drift',
  title: 'Understudy drift',
  description: 'What differs between nodes, from baselines, and between a lab and the production cluster that it mirrors.',
  controllers: [FindingsController, BaselinesController],
};

/** The drift service. A process hands it its store and transport; nothing is read from the environment here. */
@Module({})
export class DriftModule implements OnModuleInit, OnModuleDestroy {
  constructor(private readonly drift: Drift) {}

  /** Give the transport before it is started: this registers what the service publishes and consumes. */
  static forRoot(config: DriftConfig, transport: Transport): DynamicModule {
    return {
      module: DriftModule,
      controllers: [...driftApi.controllers, openApiController(driftApi), ...grpcControllers(driftGrpc, config.runtime)],
      providers: [{ provide: Drift, useFactory: () => new Drift(config, transport) }],
      exports: [Drift],
    };
  }

  async onModuleInit(): Promise<void> {
    await this.drift.start();
  }

  async onModuleDestroy(): Promise<void> {
    await this.drift.stop();
  }
}
