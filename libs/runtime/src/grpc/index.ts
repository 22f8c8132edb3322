/**
 * The gRPC door. An RPC names a declared operation (`Operation`) and opens it: same role, same schemas, same use case, same problems.
 *
 *     export const inventoryGrpc: GrpcApi = { services: [inventory.ClusterService], controllers: inventoryApi.controllers };
 *     // in the module: controllers: [...inventoryApi.controllers, ...grpcControllers(inventoryGrpc, config.runtime)]
 *     const grpc = await attachGrpc(server.app, runtime, { host, port, services: inventoryGrpc.services });
 */
export { RpcClient } from './client.js';
export type { RpcClientOptions } from './client.js';
export { STREAM_LIMIT_MS, UNARY_LIMIT_MS, grpcControllers } from './controller.js';
export type { GrpcApi, RpcBinding } from './controller.js';
export { fromDocument, toDocument, wordsOf } from './documents.js';
export { packageDefinition } from './package-definition.js';
export { attachGrpc } from './server.js';
export type { GrpcOptions, GrpcServer } from './server.js';
