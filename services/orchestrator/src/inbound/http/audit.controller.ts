import { Controller } from '@nestjs/common';
import type { Call, Reply } from '@understudy/runtime';
import { Operation, pageOf, pageSchema, reply } from '@understudy/runtime';
import { Orchestrator } from '../../orchestrator.js';
import { signedCheckpoint } from './schemas.js';

/** What an auditor takes along: statements about the log, signed with a key that is not in the database. */
@Controller()
export class AuditController {
  constructor(private readonly orchestrator: Orchestrator) {}

  @Operation({
    method: 'GET',
    path: '/v1/checkpoints',
    id: 'listCheckpoints',
    summary: 'Signed checkpoints of the log',
    description:
      'Oldest first. Keep them where no administrator of the database can change them: together with the public key they show later whether anything was changed, added or removed. Empty where nothing is signed.',
    tag: 'audit',
    role: 'viewer',
    list: 'checkpoints',
    answers: { 200: { description: 'A page, by number.', schema: pageSchema('CheckpointPage', signedCheckpoint) } },
  })
  async list(call: Call): Promise<Reply> {
    const page = call.page({}, ['number']);
    const rows = await this.orchestrator.queries.checkpoints(Number(page.after?.[0] ?? 0), page.limit + 1);
    return reply.ok(
      pageOf(
        page,
        rows,
        ({ number }) => [number],
        (row) => row,
      ),
    );
  }
}
