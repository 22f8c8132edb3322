import { Controller } from '@nestjs/common';
import { rolloutsTold, wavesTold, type Scheduled, type WindowState } from '@understudy/orchestrator-domain';
import type { Call, Reply } from '@understudy/runtime';
import { Operation, pageOf, pageSchema, reply } from '@understudy/runtime';
import { Orchestrator } from '../../orchestrator.js';
import type { WindowRequest } from '../../use-cases/windows.js';
import { approvalRequest, reasonRequest, UUID, windowDocument, windowRequest, windowRow } from './schemas.js';
import { windowReport, windowStatus } from './window-schemas.js';

const TAG = 'windows';
const params = { windowId: UUID };
const answers = { 200: { description: 'The window as it is now.', schema: windowDocument } };

@Controller()
export class WindowsController {
  constructor(private readonly orchestrator: Orchestrator) {}

  @Operation({
    method: 'POST',
    path: '/v1/windows',
    id: 'scheduleWindow',
    summary: 'Schedule a window',
    description: 'Each cluster gets a rollout, planned at once. The window must hold the way there and the way back.',
    tag: TAG,
    role: 'operator',
    creates: true,
    yaml: true,
    body: windowRequest,
    answers: { 201: { description: 'The window with its rollouts.', schema: windowDocument } },
  })
  async schedule(call: Call<WindowRequest>): Promise<Reply> {
    const { state, version, repeated } = await this.orchestrator.windows.schedule(call.newId, call.body, call.metadata);
    await this.orchestrator.windows.planned(state);
    return reply.created(await this.view(state, version), { location: `/v1/windows/${call.newId}`, version, replayed: repeated });
  }

  @Operation({
    method: 'GET',
    path: '/v1/windows/{windowId}',
    id: 'getWindow',
    summary: 'A window, its rollouts and what an approval of each would bind to',
    tag: TAG,
    role: 'viewer',
    params,
    answers,
  })
  async get(call: Call): Promise<Reply> {
    const { state, version } = await this.orchestrator.windows.get(idOf(call));
    return reply.ok(await this.view(state, version), { version });
  }

  @Operation({
    method: 'GET',
    path: '/v1/windows',
    id: 'listWindows',
    summary: 'Windows',
    tag: TAG,
    role: 'viewer',
    list: 'windows',
    query: { status: { type: 'string', enum: windowStatus.enum } },
    answers: { 200: { description: 'A page, by opening time.', schema: pageSchema('WindowPage', windowRow) } },
  })
  async list(call: Call): Promise<Reply> {
    const filter = call.query['status'] === undefined ? {} : { status: String(call.query['status']) };
    const page = call.page(filter);
    const rows = await this.orchestrator.lists.windows.page(filter, page.after, page.limit + 1);
    return reply.ok(
      pageOf(
        page,
        rows,
        (row) => [row.opensAt.toISOString(), row.windowId],
        ({ windowId, position: _position, ...row }) => ({ id: windowId, ...row }),
      ),
    );
  }

  @Operation({
    method: 'POST',
    path: '/v1/windows/{windowId}/approve',
    id: 'approveWindow',
    summary: 'Approve what you have read: each rollout by its binding',
    description:
      'Nobody approves what they scheduled. When a plan, playbook, patch set, topology or the window changes, the approval lapses.',
    tag: TAG,
    role: 'approver',
    ifMatch: 'optional',
    params,
    body: approvalRequest,
    answers,
  })
  async approve(call: Call<{ readonly bindings: Readonly<Record<string, string>> }>): Promise<Reply> {
    return this.changed(
      await this.orchestrator.windows.approve(idOf(call), call.body.bindings, call.metadata, call.expectedVersion),
    );
  }

  @Operation({
    method: 'POST',
    path: '/v1/windows/{windowId}/reject',
    id: 'rejectWindow',
    summary: 'Reject a window that has not opened',
    tag: TAG,
    role: 'approver',
    ifMatch: 'optional',
    params,
    body: reasonRequest,
    answers,
  })
  async reject(call: Call<{ readonly reason: string }>): Promise<Reply> {
    return this.changed(
      await this.orchestrator.windows.reject(idOf(call), call.body.reason, call.metadata, call.expectedVersion),
    );
  }

  @Operation({
    method: 'POST',
    path: '/v1/windows/{windowId}/cancel',
    id: 'cancelWindow',
    summary: 'Cancel a window that has not opened',
    tag: TAG,
    role: 'operator',
    ifMatch: 'optional',
    params,
    body: reasonRequest,
    answers,
  })
  async cancel(call: Call<{ readonly reason: string }>): Promise<Reply> {
    return this.changed(
      await this.orchestrator.windows.cancel(idOf(call), call.body.reason, call.metadata, call.expectedVersion),
    );
  }

  @Operation({
    method: 'POST',
    path: '/v1/windows/{windowId}/freeze',
    id: 'freezeWindow',
    summary: 'Freeze every rollout of a window: no further act, not even compensation',
    tag: TAG,
    role: 'operator',
    params,
    body: reasonRequest,
    answers,
  })
  async freeze(call: Call<{ readonly reason: string }>): Promise<Reply> {
    return this.changed(await this.orchestrator.windows.freeze(idOf(call), call.body.reason, call.metadata));
  }

  @Operation({
    method: 'POST',
    path: '/v1/windows/{windowId}/hold',
    id: 'holdWindow',
    summary: 'Begin nothing further; what runs goes on to its end',
    description: 'To stop what runs: hold its rollouts, or freeze the window.',
    tag: TAG,
    role: 'operator',
    ifMatch: 'optional',
    params,
    body: reasonRequest,
    answers,
  })
  async hold(call: Call<{ readonly reason: string }>): Promise<Reply> {
    return this.changed(await this.orchestrator.windows.hold(idOf(call), call.body.reason, call.metadata, call.expectedVersion));
  }

  @Operation({
    method: 'POST',
    path: '/v1/windows/{windowId}/resume',
    id: 'resumeWindow',
    summary: 'End a hold or a freeze',
    description:
      'After a hold, rollouts that had ended without success count no more against the failure budget. After a freeze, what it had stopped goes on, each after a fresh look; a window that was held when it was frozen is held again.',
    tag: TAG,
    role: 'operator',
    ifMatch: 'optional',
    params,
    answers,
  })
  async resume(call: Call): Promise<Reply> {
    return this.changed(await this.orchestrator.windows.resume(idOf(call), call.metadata, call.expectedVersion));
  }

  @Operation({
    method: 'POST',
    path: '/v1/windows/{windowId}/abort',
    id: 'abortWindow',
    summary: 'Begin nothing further, and abort what runs at its next safe point',
    tag: TAG,
    role: 'operator',
    ifMatch: 'optional',
    params,
    body: reasonRequest,
    answers,
  })
  async abort(call: Call<{ readonly reason: string }>): Promise<Reply> {
    return this.changed(await this.orchestrator.windows.abort(idOf(call), call.body.reason, call.metadata, call.expectedVersion));
  }

  @Operation({
    method: 'GET',
    path: '/v1/windows/{windowId}/report',
    id: 'getWindowReport',
    summary: 'What became of a window: its waves, its rollouts, and why something did not run',
    tag: TAG,
    role: 'viewer',
    params,
    answers: { 200: { description: 'From recorded events alone.', schema: windowReport } },
  })
  async report(call: Call): Promise<Reply> {
    return reply.ok(await this.orchestrator.windows.report(idOf(call)));
  }

  private async changed({ state, version }: { readonly state: WindowState; readonly version: number }): Promise<Reply> {
    return reply.ok(await this.view(state, version), { version });
  }

  private async view(state: WindowState, version: number): Promise<object> {
    const known = state as Scheduled;
    const { windowId, at: scheduledAt, rollouts: _ids, waves: _waves, ...rest } = known.window;
    const bindings = await this.orchestrator.windows.bindings(state);
    const rollouts = rolloutsTold(known, await this.orchestrator.windows.seenRollouts(known.window));
    return {
      id: windowId,
      version,
      status: state.status,
      ...rest,
      scheduledAt,
      approval: state.approval,
      stopped: state.stopped,
      held: state.held,
      waves: wavesTold(known),
      results: state.results,
      rollouts: rollouts.map((rollout) => ({ ...rollout, binding: bindings[rollout.id] ?? null })),
    };
  }
}

function idOf(call: Pick<Call, 'params'>): string {
  return call.params['windowId'] ?? '';
}
