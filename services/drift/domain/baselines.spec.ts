import { describe, expect, it } from 'vitest';
import { baselineDecider } from './baselines.js';
import type { Baseline } from './comparison/baseline.js';

const baseline: Baseline = {
  name: 'x',
  description: '',
  appliesTo: {},
  requirements: [{ area: 'setting', name: 'ssl', value: 'on', severity: 'warning' }],
};

describe('a baseline', () => {
  it('is set, and set again without news', () => {
    expect(baselineDecider.decide({ type: 'set', baseline }, undefined)).toEqual({
      accepted: true,
      events: [{ type: 'BaselineSet', body: baseline }],
    });
    expect(baselineDecider.decide({ type: 'set', baseline }, baseline)).toEqual({ accepted: true, events: [] });
  });
  it('requires a thing once', () => {
    const twice = { ...baseline, requirements: [...baseline.requirements, ...baseline.requirements] };
    expect(baselineDecider.decide({ type: 'set', baseline: twice }, undefined)).toMatchObject({
      accepted: false,
      kind: 'invalid',
      refusals: [{ pointer: '/requirements/1', code: 'DUPLICATE_REQUIREMENT' }],
    });
  });
  it('is removed, where there is one', () => {
    expect(baselineDecider.decide({ type: 'remove', name: 'x' }, baseline)).toEqual({
      accepted: true,
      events: [{ type: 'BaselineRemoved', body: { name: 'x' } }],
    });
    expect(baselineDecider.decide({ type: 'remove', name: 'x' }, undefined)).toMatchObject({
      accepted: false,
      kind: 'not-found',
      refusals: [{ code: 'BASELINE_NOT_FOUND' }],
    });
  });
});
