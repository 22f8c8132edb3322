import { describe, expect, it } from 'vitest';
import { Owner, plannedOf, World } from './fixtures/contract.js';

describe('a whole rollout of a pair', () => {
  it('goes from the first gate to succeeded, standby first', () => {
    const owner = new Owner({ world: new World(2), planned: plannedOf() });
    expect(owner.run()).toEqual({ move: 'wait', because: 'The rollout has ended.' });
    expect(owner.state.closed?.result).toBe('succeeded');
    expect(owner.outcomes()[0]).toBe('01-start-probe');
  });
});
