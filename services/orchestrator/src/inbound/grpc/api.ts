import { orchestrator as contract } from '@understudy/contracts';
import type { GrpcApi, RpcBinding } from '@understudy/runtime';
import { AuditController } from '../http/audit.controller.js';
import { DocumentsController } from '../http/documents.controller.js';
import { OverridesController } from '../http/overrides.controller.js';
import { FleetController } from '../http/fleet.controller.js';
import { RolloutsController } from '../http/rollouts.controller.js';
import { WindowsController } from '../http/windows.controller.js';

type Request = Parameters<NonNullable<RpcBinding['query']>>[0];

/** REST's `at` is one text; here the moment is a position or a time. */
const moment = ({ position, time }: Request): Request => {
  const at = position ?? time;
  return at === undefined ? {} : { at: String(at) };
};

/** Every RPC opens the operation of its name. */
export const orchestratorGrpc: GrpcApi = {
  services: [contract.RolloutService, contract.WindowService, contract.DocumentService, contract.AuditService],
  controllers: [
    RolloutsController,
    OverridesController,
    WindowsController,
    FleetController,
    DocumentsController,
    AuditController,
  ],
  bindings: {
    getRollout: { query: moment },
    getReport: { query: moment },
    renderReport: {
      operation: 'getReport',
      query: moment,
      accept: ({ format }) => (format === 'html' ? 'text/html' : 'text/markdown'),
      answer: ({ type, body }) => ({ mediaType: type, text: body }),
    },
    watchRollout: { operation: 'getRolloutEvents' },
  },
};
