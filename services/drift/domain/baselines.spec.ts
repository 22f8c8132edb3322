import { fold } from '@understudy/decider';
import { describe, expect, it } from 'vitest';
import type { BaselineCommand, BaselineEvent } from './baselines.js';
import { baselineDecider } from './baselines.js';
import type { Baseline } from './comparison/baseline.js';

const baseline: Baseline = {
  name: 'x',
  description: '',
  appliesTo: {},
  requirements: [{ area: 'setting', name: 'ssl', value: 'on', severity: 'warning' }],
};
const set: BaselineEvent = { type: 'BaselineSet', body: baseline };
const removed: BaselineEvent = { type: 'BaselineRemoved', body: { name: 'x' } };
const decide = (command: BaselineCommand, ...events: readonly BaselineEvent[]) =>
  baselineDecider.decide(command, fold(baselineDecider, events));

describe('a baseline', () => {
  it('is set, and set again without news', () => {
    expect(decide({ type: 'set', baseline })).toEqual({ accepted: true, events: [set] });
    expect(decide({ type: 'set', baseline }, set)).toEqual({ accepted: true, events: [] });
    expect(decide({ type: 'set', baseline }, set, removed)).toEqual({ accepted: true, events: [set] });
  });
  it('requires a thing once', () => {
    const twice = { ...baseline, requirements: [...baseline.requirements, ...baseline.requirements] };
    expect(decide({ type: 'set', baseline: twice })).toMatchObject({
      accepted: false,
      kind: 'invalid',
      refusals: [{ pointer: '/requirements/1', code: 'DUPLICATE_REQUIREMENT' }],
    });
  });
  it('is removed, where there is one', () => {
    expect(decide({ type: 'remove', name: 'x' }, set)).toEqual({ accepted: true, events: [removed] });
    expect(decide({ type: 'remove', name: 'x' })).toMatchObject({
      accepted: false,
      kind: 'not-found',
      refusals: [{ code: 'BASELINE_NOT_FOUND' }],
    });
  });
  it('is not changed by who read an older revision', () => {
    const stale = { accepted: false, kind: 'precondition', refusals: [{ code: 'BASELINE_CHANGED_MEANWHILE' }] };
    expect(decide({ type: 'set', baseline, expectedRevision: 1 }, set, removed)).toMatchObject(stale);
    expect(decide({ type: 'remove', name: 'x', expectedRevision: 0 }, set)).toMatchObject(stale);
    expect(decide({ type: 'set', baseline, expectedRevision: 2 }, set, removed)).toMatchObject({ accepted: true });
  });
});
