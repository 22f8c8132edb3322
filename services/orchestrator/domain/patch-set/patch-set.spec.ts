import { describe, expect, it } from 'vitest';
import type { PatchSet } from '@understudy/cluster';
import { fold } from '@understudy/decider';
import { patchSetDecider, type PatchSetCommand } from './patch-set.js';

const item = { name: 'postgresql', targetVersion: '17.10', source: 'release' };
const patchSet: PatchSet = { id: 'ps-1', items: [item], advisories: [], publishedAt: '2026-02-12T00:00:00.000Z' };
const command = (more: Partial<PatchSetCommand> = {}): PatchSetCommand => ({
  type: 'DefinePatchSet',
  patchSet,
  sources: ['release', 'script'],
  by: { subject: 'ada', role: 'operator' },
  at: '2026-03-01T20:00:00.000Z',
  ...more,
});
const decide = (given: PatchSetCommand, state = patchSetDecider.initial) => patchSetDecider.decide(given, state);
const refused = (given: PatchSetCommand): readonly string[] => {
  const decision = decide(given);
  return decision.accepted ? [] : decision.refusals.map((refusal) => `${refusal.pointer} ${refusal.code}`);
};

describe('a patch set', () => {
  const defined = { type: 'PatchSetDefined', data: { patchSet, by: 'ada', at: '2026-03-01T20:00:00.000Z' } } as const;

  it('is defined once and never changes', () => {
    expect(decide(command())).toEqual({ accepted: true, events: [defined] });
    const state = fold(patchSetDecider, [defined]);
    expect(decide(command(), state)).toEqual({ accepted: true, events: [] });
    expect(decide(command({ patchSet: { ...patchSet, items: [{ ...item, targetVersion: '17.11' }] } }), state)).toMatchObject({
      kind: 'conflict',
      refusals: [{ code: 'PATCH_SET_EXISTS' }],
    });
  });

  it('is refused with every reason at once', () => {
    const twice = [item, { ...item, source: 'apt' }];
    expect(refused(command({ patchSet: { ...patchSet, items: twice, publishedAt: '2027-01-01T00:00:00.000Z' } }))).toEqual([
      '/items/1/source UNKNOWN_SOURCE',
      '/items/1/name DUPLICATE_ITEM',
      '/publishedAt PUBLISHED_IN_THE_FUTURE',
    ]);
    expect(refused(command({ patchSet: { ...patchSet, items: [] } }))).toEqual(['/items NO_ITEMS']);
  });

  it('may be published now by a clock that is up to a minute ahead', () => {
    const publishedAt = (time: string) => refused(command({ patchSet: { ...patchSet, publishedAt: time } }));
    expect(publishedAt('2026-03-01T20:01:00.000Z')).toEqual([]);
    expect(publishedAt('2026-03-01T20:01:00.001Z')).toEqual(['/publishedAt PUBLISHED_IN_THE_FUTURE']);
  });

  it('is defined by operators and admins alone', () => {
    expect(decide(command({ by: { subject: 'eve', role: 'approver' } }))).toMatchObject({ kind: 'forbidden' });
    expect(decide(command({ by: { subject: 'root', role: 'admin' } })).accepted).toBe(true);
  });
});
