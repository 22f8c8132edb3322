import { describe, expect, it } from 'vitest';
import { drive } from './fixtures/contract.js';

describe('a process that dies', () => {
  it('between act and outcome: the effect is found and adopted, not done again', () => {
    const owner = drive({
      before: (move) => (move.move === 'perform' && move.step.stepId === '08-patch-b' ? 'crash-after' : undefined),
    });
    expect(owner.state.steps.find((step) => step.step.stepId === '08-patch-b')).toMatchObject({
      status: 'succeeded',
      adopted: true,
      attempt: 1,
    });
  });

  it('between intent and act: seen not to have happened, and begun as a second attempt', () => {
    let dead = false;
    const owner = drive({
      before: (move) => {
        if (dead || move.move !== 'perform' || move.step.stepId !== '08-patch-b') return undefined;
        dead = true;
        return 'crash';
      },
    });
    expect(owner.state.steps.find((step) => step.step.stepId === '08-patch-b')).toMatchObject({
      status: 'succeeded',
      adopted: false,
      attempt: 2,
    });
    expect(owner.world.journal.filter((key) => key.includes('08-patch-b'))).toEqual(['r-1/08-patch-b/2']);
  });
});
