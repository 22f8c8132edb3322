/**
 * The rim of every service: settings, logs, tokens, REST door, health, metrics, boot.
 *
 *     @Controller()
 *     export class WindowsController {
 *       constructor(private readonly windows: Windows) {}
 *
 *       @Operation({
 *         method: 'POST', path: '/v1/windows', id: 'scheduleWindow', summary: 'Schedule a window', tag: 'windows', role: 'operator',
 *         creates: true, body: NEW_WINDOW, answers: { 201: { description: 'The window.', schema: WINDOW } },
 *       })
 *       async schedule(call: Call<NewWindow>): Promise<Reply> {
 *         const { view, version, replayed } = await this.windows.schedule(call.newId, call.body, call.metadata); // throws refused(...)
 *         return reply.created(view, { location: `/v1/windows/${view.id}`, version, replayed });
 *       }
 *
 *       @Operation({ method: 'GET', path: '/v1/windows', id: 'listWindows', summary: 'Windows', tag: 'windows', role: 'viewer',
 *         list: 'windows', query: { state: { type: 'string' } }, answers: { 200: { description: 'A page.', schema: WINDOWS } } })
 *       async list(call: Call): Promise<Reply> {
 *         const page = call.page({ state: call.query['state'] });                  // cursor bound to list and filter
 *         const rows = await this.windows.list(page.after, page.limit + 1);
 *         return reply.ok(pageOf(page, rows, (row) => [row.id], (row) => row));
 *       }
 *     }
 *
 *     export const api: Api = { name: 'orchestrator', title: '...', description: '...', controllers: [WindowsController] };
 *     // in the module: controllers: [...api.controllers, openApiController(api)]
 *     const runtime = createRuntime({ service: 'orchestrator', tokensFile, credentialsFile });
 *     const server = await bootHttp([OrchestratorModule.forRoot({ runtime, ... }, transport)], runtime, config, [transport]);
 *
 * Use `import type { Call }` (decorated signatures). A PUT or DELETE with `ifMatch: 'required'` reads `call.expectedVersion`. A use case
 * takes (document, metadata, expectedVersion) and throws `Problem`s: gRPC calls the same one.
 * Deliberately absent: guards, pipes and DTO classes. The declaration is the only place where the shape of a request is said.
 */
export * from './boot.js';
export * from './checkpoint-key-command.js';
export * from './config.js';
export * from './credentials.js';
export * from './embedded-postgres.js';
export * from './grpc/index.js';
export * from './health.js';
export { BODY_LIMIT_BYTES, parseJson, parseYaml } from './http/body.js';
export { authorize } from './http/door.js';
export * from './http/openapi.js';
export { Operation, RpcOperation, methodsOf, operationsOf } from './http/operation.js';
export type { Answer, Call, OperationSpec, Schema } from './http/operation.js';
export { DEFAULT_LIMIT, MAX_LIMIT, pageOf, pageSchema } from './http/paging.js';
export type { Page, PageDocument } from './http/paging.js';
export { reply } from './http/reply.js';
export type { Reply, ReplyOptions } from './http/reply.js';
export { EVENT_STREAM, NDJSON, ndjson, resumePosition, serverSentEvents } from './http/stream.js';
export type { StreamItem, StreamLimits } from './http/stream.js';
export * from './ids.js';
export * from './listen.js';
export { LOG_LEVELS, createLog } from './logging.js';
export type { Log, LogLevel } from './logging.js';
export * from './metrics.js';
export { PrivateFileError, PrivateJsonFile, writePrivateFile } from './private-file.js';
export * from './problems.js';
export * from './process/index.js';
export * from './read-models.js';
export * from './redaction.js';
export * from './token-command.js';
export * from './tokens.js';
