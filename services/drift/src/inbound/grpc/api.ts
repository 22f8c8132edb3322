import { drift as contract } from '@understudy/contracts';
import type { GrpcApi } from '@understudy/runtime';
import { BaselinesController } from '../http/baselines.controller.js';
import { FindingsController } from '../http/findings.controller.js';

/** Every RPC opens the operation of its name. */
export const driftGrpc: GrpcApi = {
  services: [contract.FindingService, contract.BaselineService],
  controllers: [FindingsController, BaselinesController],
  bindings: { getDriftAssessment: { operation: 'getAssessment' } },
};
