import { Controller } from '@nestjs/common';
import { reportOf } from '@understudy/orchestrator-domain';
import type { Call, Reply } from '@understudy/runtime';
import { EVENT_STREAM, NDJSON, Operation, pageOf, pageSchema, reply, resumePosition } from '@understudy/runtime';
import { toRolloutEvent } from '../../handle.js';
import { Orchestrator } from '../../orchestrator.js';
import { htmlReport } from '../../report/html.js';
import { markdownReport } from '../../report/markdown.js';
import { eventDocument, unknownRollout } from '../../use-cases/rollout-queries.js';
import { idOf, rolloutView } from './rollout-view.js';
import {
  eventsDocument,
  planDocument,
  reasonRequest,
  rollbackRequest,
  rolloutDocument,
  rolloutReport,
  rolloutRow,
  UUID,
  verification,
} from './schemas.js';

const TAG = 'rollouts';
const params = { rolloutId: UUID };
const told = { 200: { description: 'The rollout as it is now.', schema: rolloutDocument } };
const at = {
  type: 'string',
  minLength: 1,
  maxLength: 40,
  description: 'A position in the log or an RFC 3339 time: the rollout as it was then, folded from the log.',
} as const;

@Controller()
export class RolloutsController {
  constructor(private readonly orchestrator: Orchestrator) {}

  @Operation({
    method: 'GET',
    path: '/v1/rollouts',
    id: 'listRollouts',
    summary: 'Rollouts',
    tag: TAG,
    role: 'viewer',
    list: 'rollouts',
    query: {
      window: UUID,
      cluster: { type: 'string', minLength: 1, maxLength: 63 },
      status: { type: 'string', enum: ['planned', 'running', 'recovering', 'held', 'frozen', 'closed'] },
    },
    answers: { 200: { description: 'A page, in the order they were planned.', schema: pageSchema('RolloutPage', rolloutRow) } },
  })
  async list(call: Call): Promise<Reply> {
    const { window, cluster, status } = call.query as { window?: string; cluster?: string; status?: string };
    const filter = {
      ...(window === undefined ? {} : { windowId: window }),
      ...(cluster === undefined ? {} : { cluster }),
      ...(status === undefined ? {} : { status }),
    };
    const page = call.page(filter);
    const rows = await this.orchestrator.lists.rollouts.page(filter, page.after, page.limit + 1);
    return reply.ok(
      pageOf(
        page,
        rows,
        (row) => [row.plannedAt.toISOString(), row.rolloutId],
        ({ rolloutId, ...row }) => ({ id: rolloutId, ...row }),
      ),
    );
  }

  @Operation({
    method: 'GET',
    path: '/v1/rollouts/{rolloutId}',
    id: 'getRollout',
    summary: 'A rollout, now or as it was',
    tag: TAG,
    role: 'viewer',
    params,
    query: { at },
    answers: told,
  })
  async get(call: Call): Promise<Reply> {
    const moment = call.query['at'] === undefined ? undefined : String(call.query['at']);
    const rollout = await this.orchestrator.queries.get(idOf(call), moment);
    return reply.ok(rolloutView(rollout), { version: rollout.version });
  }

  @Operation({
    method: 'GET',
    path: '/v1/rollouts/{rolloutId}/plan',
    id: 'getPlan',
    summary: 'The plan: steps, order with reasons, budget, point of no return, or why there is none',
    tag: TAG,
    role: 'viewer',
    params,
    answers: { 200: { description: 'The plan in force.', schema: planDocument } },
  })
  async plan(call: Call): Promise<Reply> {
    const { state, version } = await this.orchestrator.queries.get(idOf(call));
    const { plan, planned, downtimePlan, binding } = state;
    return reply.ok({ plan, noPlanBecause: planned?.noPlanBecause ?? null, downtimePlan, binding }, { version });
  }

  @Operation({
    method: 'GET',
    path: '/v1/rollouts/{rolloutId}/events',
    id: 'getRolloutEvents',
    summary: 'Everything that was recorded, and live what is being recorded',
    description:
      'JSON: what there is now. NDJSON and server-sent events: what there is and what comes, until the rollout is closed.',
    tag: TAG,
    role: 'viewer',
    params,
    query: { after: { type: 'integer', minimum: 0, default: 0, description: 'Only events after this position.' } },
    answers: {
      200: { description: 'Events in order.', schema: eventsDocument, types: ['application/json', NDJSON, EVENT_STREAM] },
    },
  })
  async events(call: Call): Promise<Reply> {
    const rolloutId = idOf(call);
    const { events } = await this.orchestrator.queries.get(rolloutId);
    const after = resumePosition(call);
    if (call.accept === 'application/json')
      return reply.ok({ items: events.filter((event) => event.position > after).map(eventDocument) });
    return reply.items(this.orchestrator.queries.watch(rolloutId, after, call.signal), call);
  }

  @Operation({
    method: 'GET',
    path: '/v1/rollouts/{rolloutId}/report',
    id: 'getReport',
    summary: 'The report: for machines, for tickets, for people',
    tag: TAG,
    role: 'viewer',
    params,
    query: { at },
    answers: {
      200: { description: 'The report.', schema: rolloutReport, types: ['application/json', 'text/markdown', 'text/html'] },
    },
  })
  async report(call: Call): Promise<Reply> {
    const moment = call.query['at'] === undefined ? undefined : String(call.query['at']);
    const { events, position } = await this.orchestrator.queries.get(idOf(call), moment);
    const report = reportOf(events.map(toRolloutEvent));
    if (!report) throw unknownRollout(idOf(call));
    const checkpoint = await this.orchestrator.queries.checkpointOf(position);
    if (call.accept === 'text/markdown') return reply.text(markdownReport(report, checkpoint), 'text/markdown; charset=utf-8');
    if (call.accept === 'text/html') {
      const headers = { 'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'" };
      return reply.text(htmlReport(report, checkpoint), 'text/html; charset=utf-8', { headers });
    }
    return reply.ok({ ...report, checkpoint });
  }

  @Operation({
    method: 'GET',
    path: '/v1/rollouts/{rolloutId}/verify',
    id: 'verifyRollout',
    summary: 'Recomputes the hash chain of this rollout and compares it with what was signed',
    tag: TAG,
    role: 'viewer',
    params,
    answers: { 200: { description: 'Intact, or where the first break is.', schema: verification } },
  })
  async verify(call: Call): Promise<Reply> {
    return reply.ok(await this.orchestrator.queries.verify(idOf(call)));
  }

  @Operation({
    method: 'GET',
    path: '/v1/verify',
    id: 'verifyLog',
    summary: 'Recomputes the whole log, every chain and every position, and compares it with what was signed',
    tag: TAG,
    role: 'viewer',
    answers: { 200: { description: 'Intact, or where the first break is.', schema: verification } },
  })
  async verifyAll(): Promise<Reply> {
    return reply.ok(await this.orchestrator.queries.verifyAll());
  }

  @Operation({
    method: 'POST',
    path: '/v1/rollouts/{rolloutId}/hold',
    id: 'holdRollout',
    summary: 'Stop at the next safe point',
    tag: TAG,
    role: 'operator',
    ifMatch: 'optional',
    params,
    body: reasonRequest,
    answers: told,
  })
  async hold(call: Call<{ readonly reason: string }>): Promise<Reply> {
    await this.orchestrator.commands.hold(idOf(call), call.body.reason, call.metadata, call.expectedVersion);
    return this.now(call);
  }

  @Operation({
    method: 'POST',
    path: '/v1/rollouts/{rolloutId}/resume',
    id: 'resumeRollout',
    summary: 'Go on after a hold or a freeze; everything is looked at again first',
    description:
      'The end of a freeze leaves held what was held: that takes a second resume. Refused while the whole window is frozen.',
    tag: TAG,
    role: 'operator',
    ifMatch: 'optional',
    params,
    answers: told,
  })
  async resume(call: Call): Promise<Reply> {
    await this.orchestrator.commands.resume(idOf(call), call.metadata, call.expectedVersion);
    return this.now(call);
  }

  @Operation({
    method: 'POST',
    path: '/v1/rollouts/{rolloutId}/abort',
    id: 'abortRollout',
    summary: 'End at the next safe point and give back what was taken',
    tag: TAG,
    role: 'operator',
    ifMatch: 'optional',
    params,
    body: reasonRequest,
    answers: told,
  })
  async abort(call: Call<{ readonly reason: string }>): Promise<Reply> {
    await this.orchestrator.commands.abort(idOf(call), call.body.reason, call.metadata, call.expectedVersion);
    return this.now(call);
  }

  @Operation({
    method: 'POST',
    path: '/v1/rollouts/{rolloutId}/rollback',
    id: 'rollbackRollout',
    summary: 'Take one node, or all that were patched, back to the version before, at the next safe point',
    description:
      'Refused past the point of no return, where the way back is not proven, and for a node that serves and served first.',
    tag: TAG,
    role: 'operator',
    ifMatch: 'optional',
    params,
    body: rollbackRequest,
    answers: told,
  })
  async rollback(call: Call<{ readonly reason: string; readonly node?: string }>): Promise<Reply> {
    await this.orchestrator.commands.rollBack(idOf(call), call.body, call.metadata, call.expectedVersion);
    return this.now(call);
  }

  @Operation({
    method: 'POST',
    path: '/v1/rollouts/{rolloutId}/freeze',
    id: 'freezeRollout',
    summary: 'No further act, not even compensation; a person drives',
    description:
      'Sole exception: a switchover that has stopped the active node goes on to the first state in which one node serves.',
    tag: TAG,
    role: 'operator',
    ifMatch: 'optional',
    params,
    body: reasonRequest,
    answers: told,
  })
  async freeze(call: Call<{ readonly reason: string }>): Promise<Reply> {
    await this.orchestrator.commands.freeze(idOf(call), call.body.reason, call.metadata, call.expectedVersion);
    return this.now(call);
  }

  private async now(call: Pick<Call, 'params'>): Promise<Reply> {
    const rollout = await this.orchestrator.queries.get(idOf(call));
    return reply.ok(rolloutView(rollout), { version: rollout.version });
  }
}
