import { readFileSync } from 'node:fs';
import { openStore, type Store } from '@understudy/event-log';
import type { GateInputs, RolloutCommand, RolloutPlanned } from '@understudy/orchestrator-domain';
import { simulatedDriver, SimulatedWorlds } from '@understudy/platforms';
import { createTestStore } from '@understudy/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { RolloutStore, systemMetadata } from './handle.js';

const others: Store[] = [];
afterEach(async () => {
  for (const store of others.splice(0)) await store.close();
});

const SAMPLE = new URL('../domain/rollout/samples/RolloutPlanned.v1.json', import.meta.url);
const { data: planned } = JSON.parse(readFileSync(SAMPLE, 'utf8')) as { readonly data: RolloutPlanned };
const at = (seconds: number): string => new Date(Date.parse(planned.opensAt) + seconds * 1_000).toISOString();
const OLLI = { subject: 'olli', role: 'operator' } as const;

/** The sample's pair as a look shows it, with what runs before its patch set. */
const cluster = { ...planned.cluster, settings: { version: '17.9' } };
const now = (): number => Date.parse(at(0));
const PAIR = await simulatedDriver(new SimulatedWorlds()).observe({ definition: cluster, hosts: {}, secrets: {}, now }, 1_000);
const NO_DRIFT = { requestId: 'q-1', assessedAt: at(0), blocking: [], warnings: 0, waived: 0, incomplete: [] };
const OPEN: GateInputs = {
  snapshot: PAIR,
  haLayer: { haLayer: 'application', rolling: true, reason: 'Streaming replication was seen.' },
  drift: NO_DRIFT,
  ticket: null,
  rehearsal: null,
  wayBack: ['a', 'b'].map((node) => ({ node, proven: true, applicable: true, detail: 'the old release is at hand' })),
  probe: { available: true, detail: 'A probe writes twenty times a second.' },
  topologyFingerprint: planned.topologyFingerprint,
  own: { systemIdentifiers: ['own-store'], machineIds: ['own-machine'] },
  machineIds: {},
  claimed: {},
  neighbours: [],
};

describe('hosts that one process claimed', () => {
  it('are free for its next rollout when another process has ended the first one', async () => {
    const { store, database } = await createTestStore('orchestrator');
    const other = await openStore({ connectionString: database.serviceConnection('orchestrator'), schema: 'orchestrator' });
    others.push(other);
    const [here, there] = [new RolloutStore(store), new RolloutStore(other)];
    const give = async (to: RolloutStore, rolloutId: string, command: RolloutCommand): Promise<void> =>
      expect(await to.handle(rolloutId, command, systemMetadata())).toMatchObject({ accepted: true });
    const admit = async (rolloutId: string): Promise<void> => {
      await give(here, rolloutId, { type: 'PlanRollout', planned: { ...planned, rolloutId }, downtimePlan: null });
      await give(here, rolloutId, { type: 'Adopt', instance: 'here', incarnation: 'i-1', replaces: null, at: at(0) });
      await give(here, rolloutId, {
        type: 'RequestDriftAssessment',
        requestId: 'q-1',
        deadlineAt: at(30),
        incarnation: 'i-1',
        at: at(0),
      });
      await give(here, rolloutId, { type: 'RecordDriftAssessment', assessment: NO_DRIFT, at: at(0) });
      await give(here, rolloutId, { type: 'EvaluateGates', inputs: OPEN, incarnation: 'i-1', at: at(1) });
      expect(await there.claimedBy('host-a')).toBe(rolloutId);
    };
    await admit('r-1');
    await give(there, 'r-1', { type: 'Adopt', instance: 'there', incarnation: 'i-2', replaces: 'i-1', at: at(2) });
    await give(there, 'r-1', { type: 'Abort', by: OLLI, reason: 'not tonight', at: at(3) });
    const conclude = { type: 'Conclude', incarnation: 'i-2', snapshot: PAIR, neighbours: [], interruption: null } as const;
    await give(there, 'r-1', { ...conclude, at: at(4) }); // nothing began: the way back is empty
    await give(there, 'r-1', { ...conclude, at: at(5) });
    expect(await there.claimedBy('host-a')).toBeNull();
    await admit('r-2');
  });
});
