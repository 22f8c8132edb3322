import { Controller } from '@nestjs/common';
import type { Call, Reply } from '@understudy/runtime';
import { Operation, notFound, pageOf, reply } from '@understudy/runtime';
import { Drift } from '../../drift.js';
import type { FindingRow } from '../../projections/findings/entities.js';
import type { FindingFilter } from '../../projections/findings/queries.js';
import { ASSESSMENT, FIDELITY, FINDING, FINDINGS, NEW_WAIVER, SEVERITY, SLUG, STATE } from './schemas.js';

const TAG = 'findings';
const params = { findingId: { type: 'string', pattern: '^f-[0-9a-f]{16}$' } };

interface NewWaiver {
  readonly reason: string;
  readonly expiresAt: string;
}

@Controller()
export class FindingsController {
  constructor(private readonly drift: Drift) {}

  @Operation({
    method: 'GET',
    path: '/v1/findings',
    id: 'listFindings',
    summary: 'Findings: what differs, why it matters, what to do',
    tag: TAG,
    role: 'viewer',
    list: 'findings',
    query: { cluster: SLUG, node: SLUG, severity: SEVERITY, state: { ...STATE, default: 'open' } },
    answers: { 200: { description: 'A page, by cluster.', schema: FINDINGS } },
  })
  async list(call: Call): Promise<Reply> {
    const { cluster, node, severity, state } = call.query as FindingFilter;
    const filter = { cluster, node, severity, state };
    const page = call.page(filter);
    await this.drift.readModels.fresh();
    const rows = await this.drift.findings.findings(filter, page.after?.map(String), page.limit + 1);
    return reply.ok(pageOf(page, rows, (row) => [row.cluster, row.findingId], findingView));
  }

  @Operation({
    method: 'GET',
    path: '/v1/findings/{findingId}',
    id: 'getFinding',
    summary: 'A finding',
    tag: TAG,
    role: 'viewer',
    params,
    answers: { 200: { description: 'The finding.', schema: FINDING } },
  })
  async get(call: Call): Promise<Reply> {
    await this.drift.readModels.fresh();
    return reply.ok(findingView(await this.drift.findings.finding(idOf(call))));
  }

  @Operation({
    method: 'PUT',
    path: '/v1/findings/{findingId}/waiver',
    id: 'waiveFinding',
    summary: 'Accept a finding for a time',
    description: 'You become its owner. It holds for the values as they are now, and lapses by itself.',
    tag: TAG,
    role: 'approver',
    params,
    body: NEW_WAIVER,
    answers: { 200: { description: 'The finding, waived.', schema: FINDING } },
  })
  async waive(call: Call<NewWaiver>): Promise<Reply> {
    const waiver = { owner: call.actor.subject, ...call.body };
    await this.drift.readModels.written(await this.drift.ledgers.waive(idOf(call), waiver, call.metadata));
    return reply.ok(findingView(await this.drift.findings.finding(idOf(call))));
  }

  @Operation({
    method: 'DELETE',
    path: '/v1/findings/{findingId}/waiver',
    id: 'withdrawWaiver',
    summary: 'Withdraw a waiver: the finding is open again',
    tag: TAG,
    role: 'approver',
    params,
    answers: { 204: { description: 'There is no waiver now.' } },
  })
  async withdraw(call: Call): Promise<Reply> {
    await this.drift.readModels.written(await this.drift.ledgers.withdraw(idOf(call), call.metadata));
    return reply.noContent();
  }

  @Operation({
    method: 'GET',
    path: '/v1/clusters/{slug}/fidelity',
    id: 'getFidelity',
    summary: 'How far a lab resembles the production cluster that it mirrors',
    tag: 'fidelity',
    role: 'viewer',
    params: { slug: SLUG },
    answers: { 200: { description: 'Score and what costs points.', schema: FIDELITY } },
  })
  async fidelity(call: Call): Promise<Reply> {
    const cluster = call.params['slug'] ?? '';
    await this.drift.readModels.fresh();
    const scored = await this.drift.findings.fidelity(cluster);
    if (scored === null) throw notFound('fidelity of a lab', cluster);
    return reply.ok({ cluster, ...scored });
  }

  @Operation({
    method: 'GET',
    path: '/v1/clusters/{slug}/assessments/{requestId}',
    id: 'getAssessment',
    summary: 'The answer to an assessment request',
    tag: 'assessments',
    role: 'viewer',
    params: { slug: SLUG },
    answers: { 200: { description: 'What blocked, and what could not be judged.', schema: ASSESSMENT } },
  })
  async assessment(call: Call): Promise<Reply> {
    const requestId = call.params['requestId'] ?? '';
    const assessment = await this.drift.ledgers.assessment(call.params['slug'] ?? '', requestId);
    if (assessment === null) throw notFound('assessment', requestId);
    return reply.ok(assessment);
  }
}

function idOf(call: Pick<Call, 'params'>): string {
  return call.params['findingId'] ?? '';
}

function findingView({ position: _position, openedAt, changedAt, ...finding }: FindingRow): object {
  return { ...finding, openedAt: openedAt.toISOString(), changedAt: changedAt.toISOString() };
}
