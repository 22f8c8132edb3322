import type { DynamicModule, OnModuleDestroy, OnModuleInit } from '@nestjs/common';
import { Module } from '@nestjs/common';
import type { Transport } from '@understudy/messaging';
import type { Api } from '@understudy/runtime';
import { grpcControllers, openApiController } from '@understudy/runtime';
import type { OrchestratorConfig } from './config.js';
import { orchestratorGrpc } from './inbound/grpc/api.js';
import { AuditController } from './inbound/http/audit.controller.js';
import { DocumentsController } from './inbound/http/documents.controller.js';
import { FleetController } from './inbound/http/fleet.controller.js';
import { OverridesController } from './inbound/http/overrides.controller.js';
import { RolloutsController } from './inbound/http/rollouts.controller.js';
import { WindowsController } from './inbound/http/windows.controller.js';
import { Orchestrator } from './orchestrator.js';
import type { Peers } from './peers.js';

export const orchestratorApi: Api = {
  name: 'orchestrator',
  title: 'Understudy orchestrator',
  description: 'Windows, rollouts, playbooks and patch sets: what is planned, what happens, what happened, and how to stop it.',
  controllers: [
    WindowsController,
    FleetController,
    RolloutsController,
    OverridesController,
    DocumentsController,
    AuditController,
  ],
};

/** The orchestrator service. A process hands it its store, drivers, transport and the way to its peers. */
@Module({})
export class OrchestratorModule implements OnModuleInit, OnModuleDestroy {
  constructor(private readonly orchestrator: Orchestrator) {}

  /** Give the transport before it is started: this registers what the service publishes and consumes. */
  static forRoot(config: OrchestratorConfig, transport: Transport, peers: Peers): DynamicModule {
    return {
      module: OrchestratorModule,
      controllers: [
        ...orchestratorApi.controllers,
        openApiController(orchestratorApi),
        ...grpcControllers(orchestratorGrpc, config.runtime),
      ],
      providers: [{ provide: Orchestrator, useFactory: () => new Orchestrator(config, transport, peers) }],
      exports: [Orchestrator],
    };
  }

  async onModuleInit(): Promise<void> {
    await this.orchestrator.start();
  }

  async onModuleDestroy(): Promise<void> {
    await this.orchestrator.stop();
  }
}
