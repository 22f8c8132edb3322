import { inventory as contract } from '@understudy/contracts';
import type { GrpcApi } from '@understudy/runtime';
import { ClustersController } from '../http/clusters.controller.js';
import { CredentialsController } from '../http/credentials.controller.js';
import { SecondLookController } from './second-look.controller.js';

/** Every RPC opens the operation of its name. */
export const inventoryGrpc: GrpcApi = {
  services: [contract.ClusterService, contract.CredentialService],
  controllers: [ClustersController, CredentialsController, SecondLookController],
  bindings: { previewCluster: { operation: 'registerCluster', query: () => ({ dryRun: true }) } },
};
