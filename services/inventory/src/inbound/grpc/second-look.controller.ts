import { Controller } from '@nestjs/common';
import type { Call, Reply } from '@understudy/runtime';
import { RpcOperation, reply } from '@understudy/runtime';
import { Inventory } from '../../inventory.js';
import { CLASSIFICATION, SLUG } from '../http/schemas.js';

/** What the orchestrator reads once more just before it counts, over gRPC alone. */
@Controller()
export class SecondLookController {
  constructor(private readonly inventory: Inventory) {}

  @RpcOperation({
    method: 'GET',
    path: '/v1/clusters/{slug}/ha-layer',
    id: 'getHaLayer',
    summary: 'What protects a cluster, from the log',
    tag: 'clusters',
    role: 'viewer',
    params: { slug: SLUG },
    answers: { 200: { description: 'Nothing where it is not known.', schema: CLASSIFICATION } },
  })
  async haLayer(call: Call): Promise<Reply> {
    return reply.ok(await this.inventory.states.haLayer(call.params['slug'] ?? ''));
  }
}
