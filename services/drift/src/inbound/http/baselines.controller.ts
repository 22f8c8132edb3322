import { Controller } from '@nestjs/common';
import type { Baseline } from '@understudy/drift-domain';
import type { Call, Reply } from '@understudy/runtime';
import { Operation, pageOf, reply } from '@understudy/runtime';
import { Drift } from '../../drift.js';
import type { BaselineRow } from '../../projections/findings/entities.js';
import { BASELINE, BASELINES, BASELINE_DOCUMENT, SLUG } from './schemas.js';

const TAG = 'baselines';
const params = { name: SLUG };

@Controller()
export class BaselinesController {
  constructor(private readonly drift: Drift) {}

  @Operation({
    method: 'PUT',
    path: '/v1/baselines/{name}',
    id: 'setBaseline',
    summary: 'Set a baseline: values that nodes must have, whatever their peers say',
    description:
      'Every ledger is judged by it at once. A blocking requirement closes the drift gate of every cluster that breaks it.',
    tag: TAG,
    role: 'approver',
    yaml: true,
    ifMatch: 'optional',
    params,
    body: BASELINE_DOCUMENT,
    answers: { 200: { description: 'The baseline as it is now.', schema: BASELINE } },
  })
  async set(call: Call<Omit<Baseline, 'name'>>): Promise<Reply> {
    const baseline: Baseline = { name: nameOf(call), ...call.body };
    const { revision, position } = await this.drift.baselines.set(baseline, call.metadata, call.expectedVersion);
    await this.drift.readModels.written(position);
    this.drift.judgeSoon();
    return reply.ok({ ...baseline, revision }, { version: revision });
  }

  @Operation({
    method: 'GET',
    path: '/v1/baselines',
    id: 'listBaselines',
    summary: 'Baselines',
    tag: TAG,
    role: 'viewer',
    list: 'baselines',
    answers: { 200: { description: 'A page, by name.', schema: BASELINES } },
  })
  async list(call: Call): Promise<Reply> {
    const page = call.page();
    const after = page.after?.[0];
    const rows = await this.drift.findings.baselines(after === undefined ? undefined : String(after), page.limit + 1);
    return reply.ok(pageOf(page, rows, (row) => [row.name], baselineView));
  }

  @Operation({
    method: 'GET',
    path: '/v1/baselines/{name}',
    id: 'getBaseline',
    summary: 'A baseline',
    tag: TAG,
    role: 'viewer',
    params,
    answers: { 200: { description: 'The baseline.', schema: BASELINE, headers: { ETag: 'Its revision.' } } },
  })
  async get(call: Call): Promise<Reply> {
    const row = await this.drift.findings.baseline(nameOf(call));
    return reply.ok(baselineView(row), { version: row.revision });
  }

  @Operation({
    method: 'DELETE',
    path: '/v1/baselines/{name}',
    id: 'removeBaseline',
    summary: 'Remove a baseline; its findings are resolved',
    tag: TAG,
    role: 'approver',
    ifMatch: 'optional',
    params,
    answers: { 204: { description: 'Removed.' } },
  })
  async remove(call: Call): Promise<Reply> {
    const { position } = await this.drift.baselines.remove(nameOf(call), call.metadata, call.expectedVersion);
    await this.drift.readModels.written(position);
    this.drift.judgeSoon();
    return reply.noContent();
  }
}

function nameOf(call: Pick<Call, 'params'>): string {
  return call.params['name'] ?? '';
}

function baselineView(row: BaselineRow): object {
  return { ...row.baseline, revision: row.revision };
}
