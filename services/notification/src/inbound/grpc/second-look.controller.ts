import { Controller } from '@nestjs/common';
import type { Call, Reply } from '@understudy/runtime';
import { RpcOperation, reply } from '@understudy/runtime';
import { Notification } from '../../notification.js';
import { WINDOW_ID } from '../http/schemas.js';

/** What the orchestrator reads once more just before it counts, over gRPC alone. */
@Controller()
export class SecondLookController {
  constructor(private readonly notification: Notification) {}

  @RpcOperation({
    method: 'GET',
    path: '/v1/windows/{windowId}/change',
    id: 'getChange',
    summary: 'The ticket that was recorded last for a window',
    tag: 'tickets',
    role: 'viewer',
    params: { windowId: WINDOW_ID },
    answers: { 200: { description: 'Nothing where none was recorded.', schema: { type: ['object', 'null'] } } },
  })
  async change(call: Call): Promise<Reply> {
    return reply.ok(await this.notification.tickets.latestOf(call.params['windowId'] ?? ''));
  }
}
