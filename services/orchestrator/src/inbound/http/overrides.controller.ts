import { Controller } from '@nestjs/common';
import type { GateName } from '@understudy/orchestrator-domain';
import { Operation, reply, type Call, type Reply } from '@understudy/runtime';
import { Orchestrator } from '../../orchestrator.js';
import { idOf, rolloutView } from './rollout-view.js';
import { gate, overrideRequest, reasonRequest, rolloutDocument, UUID } from './schemas.js';

const TAG = 'rollouts';
const told = { 200: { description: 'The rollout as it is now.', schema: rolloutDocument } };

/** Two named persons open one gate, with a reason and an expiry. */
@Controller()
export class OverridesController {
  constructor(private readonly orchestrator: Orchestrator) {}

  @Operation({
    method: 'POST',
    path: '/v1/rollouts/{rolloutId}/overrides',
    id: 'requestOverride',
    summary: 'Ask for one gate to be opened; somebody else has to confirm',
    description:
      'Only gates that are a matter of judgement: drift, change ticket, approval. What an invariant stands on stays closed. ' +
      'It binds to the plan in force, lapses with it, and ends with the window at the latest.',
    tag: TAG,
    role: 'operator',
    ifMatch: 'optional',
    params: { rolloutId: UUID },
    body: overrideRequest,
    answers: told,
  })
  async request(call: Call<{ readonly gate: GateName; readonly reason: string; readonly until: string }>): Promise<Reply> {
    await this.orchestrator.commands.requestOverride(idOf(call), call.body, call.metadata, call.expectedVersion);
    return this.now(call);
  }

  @Operation({
    method: 'POST',
    path: '/v1/rollouts/{rolloutId}/overrides/{gate}/confirm',
    id: 'confirmOverride',
    summary: 'The second person: the gate is open until then',
    description: 'Neither who asked for it nor who planned the rollout.',
    tag: TAG,
    role: 'approver',
    ifMatch: 'optional',
    params: { rolloutId: UUID, gate },
    answers: told,
  })
  async confirm(call: Call): Promise<Reply> {
    await this.orchestrator.commands.confirmOverride(idOf(call), gateOf(call), call.metadata, call.expectedVersion);
    return this.now(call);
  }

  @Operation({
    method: 'POST',
    path: '/v1/rollouts/{rolloutId}/overrides/{gate}/withdraw',
    id: 'withdrawOverride',
    summary: 'Take an override back: the gate says again what it sees',
    description: 'Operator, approver or admin: closing a gate needs one person.',
    tag: TAG,
    role: 'viewer',
    ifMatch: 'optional',
    params: { rolloutId: UUID, gate },
    body: reasonRequest,
    answers: told,
  })
  async withdraw(call: Call<{ readonly reason: string }>): Promise<Reply> {
    const { commands } = this.orchestrator;
    await commands.withdrawOverride(idOf(call), gateOf(call), call.body.reason, call.metadata, call.expectedVersion);
    return this.now(call);
  }

  private async now(call: Pick<Call, 'params'>): Promise<Reply> {
    const rollout = await this.orchestrator.queries.get(idOf(call));
    return reply.ok(rolloutView(rollout), { version: rollout.version });
  }
}

/** The schema lets nothing else through. */
function gateOf(call: Pick<Call, 'params'>): GateName {
  return call.params['gate'] as GateName;
}
