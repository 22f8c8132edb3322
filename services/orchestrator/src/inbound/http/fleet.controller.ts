import { Controller } from '@nestjs/common';
import type { Call, Reply } from '@understudy/runtime';
import { Operation, reply } from '@understudy/runtime';
import { Orchestrator } from '../../orchestrator.js';
import { reasonRequest } from './schemas.js';
import { fleetStop } from './window-schemas.js';

const TAG = 'fleet';
const answers = { 200: { description: 'Which windows it concerned.', schema: fleetStop } };

/** All windows at once. */
@Controller()
export class FleetController {
  constructor(private readonly orchestrator: Orchestrator) {}

  @Operation({
    method: 'POST',
    path: '/v1/fleet/freeze',
    id: 'freezeFleet',
    summary: 'Freeze every window that has not ended: no further act, not even compensation',
    description:
      'Those that have not opened are frozen too, and open after somebody resumed them. A switchover that has stopped the active node goes on to the first state in which one node serves.',
    tag: TAG,
    role: 'operator',
    body: reasonRequest,
    answers,
  })
  async freeze(call: Call<{ readonly reason: string }>): Promise<Reply> {
    return reply.ok(await this.orchestrator.fleet.freeze(call.body.reason, call.metadata));
  }

  @Operation({
    method: 'POST',
    path: '/v1/fleet/resume',
    id: 'resumeFleet',
    summary: 'Let the windows go on that were frozen with the fleet',
    description: 'A window or rollout that somebody froze by itself stays frozen.',
    tag: TAG,
    role: 'operator',
    answers,
  })
  async resume(call: Call): Promise<Reply> {
    return reply.ok(await this.orchestrator.fleet.resume(call.metadata));
  }
}
