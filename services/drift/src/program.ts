import type { ServiceProgram } from '@understudy/runtime';
import { driftSettings } from './config.js';
import { driftGrpc } from './inbound/grpc/api.js';
import { DriftModule } from './drift.module.js';

/** This service as a process of its own. */
export const driftProgram: ServiceProgram<typeof driftSettings> = {
  service: 'drift',
  about: 'Compares node with node and with baselines: findings, waivers, and assessments on request.',
  settings: driftSettings,
  compose: ({ settings, runtime, store, transport }) => {
    const { storeUrl: connectionString, reassessIntervalMs } = settings;
    return {
      modules: [DriftModule.forRoot({ runtime, store, connectionString, reassessIntervalMs }, transport)],
      grpc: driftGrpc.services,
    };
  },
};
