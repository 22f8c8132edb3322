import { readFileSync } from 'node:fs';
import type { RolloutPlanned } from '@understudy/orchestrator-domain';
import { describe, expect, it } from 'vitest';
import { plannedWithSharedParts } from './shared-parts.js';

const text = readFileSync(new URL('../domain/rollout/samples/RolloutPlanned.v1.json', import.meta.url), 'utf8');
const read = (change: Partial<RolloutPlanned> = {}): RolloutPlanned => ({
  ...(JSON.parse(text) as { readonly data: RolloutPlanned }).data,
  ...change,
});

describe('parts that rollouts have in common', () => {
  it('lie in memory once, and say what they said', () => {
    const [one, other] = [plannedWithSharedParts(read()), plannedWithSharedParts(read())];
    expect(one).toEqual(read());
    expect(other.playbook).toBe(one.playbook);
    expect(other.patchSet).toBe(one.patchSet);
    expect(other.plan?.versionPairs).toBe(one.plan?.versionPairs);
    expect(other.plan).not.toBe(one.plan);
  });

  it('are not mixed up: whatever differs stays as it is', () => {
    const one = plannedWithSharedParts(read());
    const stricter = { ...read().playbook, mixedVersionsMaxMs: 7 };
    const other = plannedWithSharedParts(read({ playbook: stricter, plan: null }));
    expect(other.playbook).toEqual(stricter);
    expect(other.plan).toBeNull();
    expect(plannedWithSharedParts(read()).playbook).toBe(one.playbook);
  });

  it('are kept by their own rollouts alone when there are too many', () => {
    const numbered = (mixedVersionsMaxMs: number): RolloutPlanned =>
      read({ playbook: { ...read().playbook, mixedVersionsMaxMs } });
    const first = plannedWithSharedParts(numbered(1_000));
    for (let number = 1_001; number < 2_100; number += 1) plannedWithSharedParts(numbered(number));
    const again = plannedWithSharedParts(numbered(1_000));
    expect(again.playbook).toEqual(first.playbook);
    expect(again.playbook).not.toBe(first.playbook);
  });
});
