import { fold } from '@understudy/decider';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { BaselineEvent } from './baselines.js';
import { baselineDecider } from './baselines.js';
import { driftDecider } from './ledger/decide.js';
import type { DriftEvent } from './ledger/ledger.js';
import { schemaVersions, upcast } from './upcast.js';

const folder = new URL('./samples/', import.meta.url);
const folded = new Set<string>();

/** A stored body, read as a store gives it back. */
function sample<E>(type: keyof typeof schemaVersions, schemaVersion = 1): E {
  const file = `${type}.v${schemaVersion}.json`;
  folded.add(file);
  const body: unknown = JSON.parse(readFileSync(new URL(file, folder), 'utf8'));
  return upcast({ type, schemaVersion, body }) as E;
}

const ledger = (...types: readonly DriftEvent['type'][]) =>
  fold(
    driftDecider,
    types.map((type) => sample<DriftEvent>(type)),
  );

describe('events of every stored version', () => {
  it('fold into a ledger', () => {
    const waiting = ledger('ClusterNoted', 'AssessmentRequested', 'FactsReceived', 'FindingOpened', 'FindingWaived');
    expect(waiting).toMatchObject({
      cluster: { cluster: 'orders', members: ['orders-a', 'orders-b'] },
      origin: { position: 13 },
      heard: ['0195a000-0000-7000-8000-000000000001'],
      entries: { 'f-00000000000000ab': { state: 'waived', waiver: { owner: 'ada', mark: '00000000000000cd' } } },
    });
    const answered = fold(driftDecider, [sample<DriftEvent>('WaiverEnded'), sample<DriftEvent>('DriftAssessed')], waiting);
    expect(answered).toMatchObject({
      heard: [],
      waiting: {},
      answered: { '0195a000-0000-7000-8000-000000000001': { warnings: 1 } },
    });
    expect(answered.entries['f-00000000000000ab']).toMatchObject({ state: 'open' });
    const ended = fold(
      driftDecider,
      (['ExpectationEnded', 'FindingResolved', 'FidelityScored', 'ClusterForgotten'] as const).map((type) =>
        sample<DriftEvent>(type),
      ),
      answered,
    );
    expect(ended).toMatchObject({
      expected: {},
      origin: { position: 40 },
      entries: { 'f-00000000000000ab': { state: 'resolved' } },
    });
    expect(ended).not.toHaveProperty('cluster');
    expect(ledger('FidelityScored').fidelity).toMatchObject({ score: 87 });
  });
  it('fold into a baseline', () => {
    const set = fold(baselineDecider, [sample<BaselineEvent>('BaselineSet')]);
    expect(set).toMatchObject({ revision: 1, baseline: { name: 'hardening' } });
    expect(fold(baselineDecider, [sample<BaselineEvent>('BaselineRemoved')], set)).toEqual({ revision: 2 });
  });
  it('of a type or version that this build does not know are not guessed', () => {
    expect(() => upcast({ type: 'BaselineSet', schemaVersion: 2, body: {} })).toThrow(
      /version 2 is not known to this build \(it knows up to 1\)/,
    );
    expect(() => upcast({ type: 'BaselineSet', schemaVersion: 0, body: {} })).toThrow();
    expect(() => upcast({ type: 'toString', schemaVersion: 1, body: {} })).toThrow();
  });

  it('are all folded here: whatever lies among the samples was read above', () => {
    expect([...folded].sort()).toEqual(readdirSync(folder).sort());
  });
});
