import { describe, expect, it } from 'vitest';
import { helpText, parse, SCENARIOS } from './args.js';

const faults = ['pg-hba', 'read-only'];
const read = (...argv: string[]) => parse(argv, faults, () => 42);

describe('what the demo is asked for', () => {
  it('is the happy scenario on two nodes unless said otherwise', () => {
    expect(read()).toMatchObject({ parsed: 'run', args: { scenario: 'happy', nodes: 2, seed: 42, fault: undefined } });
    expect(read('--scenario', 'drift', '--nodes', '3', '--seed', '7', '--fault', 'pg-hba')).toMatchObject({
      args: { scenario: 'drift', nodes: 3, seed: 7, fault: 'pg-hba' },
    });
  });

  it.each([
    [['--scenario', 'merry'], /no scenario "merry"/],
    [['--nodes', '4'], /--nodes takes 2 or 3/],
    [['--fault', 'pg-hba'], /belongs to --scenario drift/],
    [['--scenario', 'drift', '--fault', 'fire'], /no fault "fire"/],
    [['--seed', 'x'], /--seed takes an integer/],
    [['--judge', 'j.mjs'], /--judge needs --evidence/],
    [['--scenario', 'hypervisor', '--nodes', '3'], /does not go with hypervisor/],
    [['--verbose'], /verbose/],
  ])('refuses %j with the reason', (argv, why) => {
    const parsed = read(...argv);
    expect(parsed.parsed).toBe('wrong');
    expect(parsed.parsed === 'wrong' && parsed.why).toMatch(why);
  });

  it('lists every scenario and fault in its help', () => {
    expect(read('--help')).toEqual({ parsed: 'help' });
    for (const word of [...SCENARIOS, ...faults]) expect(helpText(faults)).toContain(word);
  });
});
