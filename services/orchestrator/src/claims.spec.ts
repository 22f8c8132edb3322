import { openStore, type Store } from '@understudy/event-log';
import type { RolloutCommand } from '@understudy/orchestrator-domain';
import { createTestStore } from '@understudy/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { at, inputsOf, PAIR, plannedOf } from '../domain/rollout/fixtures/given/contract.js';
import { RolloutStore, systemMetadata } from './handle.js';

const others: Store[] = [];
afterEach(async () => {
  for (const store of others.splice(0)) await store.close();
});

const OLLI = { subject: 'olli', role: 'operator' } as const;

describe('hosts that one process claimed', () => {
  it('are free for its next rollout when another process has ended the first one', async () => {
    const { store, database } = await createTestStore('orchestrator');
    const other = await openStore({ connectionString: database.serviceConnection('orchestrator'), schema: 'orchestrator' });
    others.push(other);
    const [here, there] = [new RolloutStore(store), new RolloutStore(other)];
    const give = async (to: RolloutStore, rolloutId: string, command: RolloutCommand): Promise<void> =>
      expect(await to.handle(rolloutId, command, systemMetadata())).toMatchObject({ accepted: true });
    const admit = async (rolloutId: string): Promise<void> => {
      await give(here, rolloutId, { type: 'PlanRollout', planned: plannedOf({ rolloutId }), downtimePlan: null });
      const live = await here.load(rolloutId);
      const owner = { instance: 'here', incarnation: 'i-1', replaces: null, at: at(0) };
      expect(await here.give(live, { type: 'Adopt', ...owner })).toMatchObject({ accepted: true });
      const assessment = { requestId: 'q-1', assessedAt: at(0), blocking: [], warnings: 0, waived: 0, incomplete: [] };
      await give(here, rolloutId, { type: 'RequestDriftAssessment', requestId: 'q-1', deadlineAt: at(30), at: at(0) });
      await give(here, rolloutId, { type: 'RecordDriftAssessment', assessment, at: at(0) });
      await here.reload(live);
      const inputs = inputsOf(PAIR, { drift: assessment });
      expect(await here.give(live, { type: 'EvaluateGates', inputs, at: at(1) })).toMatchObject({ accepted: true });
      expect(await there.claimedBy('host-a')).toBe(rolloutId);
    };
    await admit('r-1');
    const owner = { instance: 'there', incarnation: 'i-2', replaces: 'i-1', at: at(2) };
    await give(there, 'r-1', { type: 'Adopt', ...owner });
    await give(there, 'r-1', { type: 'Abort', by: OLLI, reason: 'not tonight', at: at(3) });
    const conclude = { type: 'Conclude', incarnation: 'i-2', snapshot: PAIR, neighbours: [], interruption: null } as const;
    await give(there, 'r-1', { ...conclude, at: at(4) }); // nothing began: the way back is empty
    await give(there, 'r-1', { ...conclude, at: at(5) });
    expect(await there.claimedBy('host-a')).toBeNull();
    await admit('r-2');
  });
});
