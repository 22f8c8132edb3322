import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readOptions, type Turn, type Wanted } from './options.js';
import { buildOf, Results } from './results.js';
import type { WindowEnd } from './window.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'understudy-crash-results-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const wanted = readOptions(['--all']) as Wanted;
const turn = wanted.turns[0] as Turn;
const writable = { looks: 1, answered: {}, calm: 1, calmWithWriter: 1, twoAtOnce: [] };
const good: WindowEnd = {
  ...{ kills: [], doubleActs: [], lostWrites: 0, acknowledgedWrites: 7, writable, promotions: 3, problems: [] },
};
const bad: WindowEnd = { ...good, problems: ['One write is lost.'] };
const results = (build = 'one'): Results => new Results(folder, build, wanted);

describe('what windows came to', () => {
  it('is known to the next run of the same build', () => {
    results().keep(turn, good);
    expect(results().known(turn)).toEqual(good);
  });

  it('is not taken from another build, for other cells, or for another extent', () => {
    results().keep(turn, good);
    expect(results('two').known(turn)).toBeUndefined();
    expect(results().known({ ...turn, cells: turn.cells.slice(1) })).toBeUndefined();
    expect(new Results(folder, 'one', { extent: 'double', victim: 'orchestrator' }).known(turn)).toBeUndefined();
    expect(results().known(wanted.turns[1] as Turn)).toBeUndefined();
  });

  it('is played again where it failed, and the failure stays', () => {
    results().keep(turn, bad);
    expect(results().known(turn)).toBeUndefined();
    results().keep(turn, bad);
    results().keep(turn, good);
    expect(results().known(turn)).toEqual(good);
    expect(results().failures(turn)).toBe(2);
    expect(readdirSync(folder)).toHaveLength(3);
  });

  it('is not kept where no folder was named', () => {
    const none = new Results(undefined, 'one', wanted);
    none.keep(turn, good);
    expect([none.known(turn), none.failures(turn)]).toEqual([undefined, 0]);
  });
});

it('says that two builds are one only where all that runs is the same', () => {
  for (const part of ['libs/a/dist', 'services/b/dist', 'practice', 'e2e/support'])
    mkdirSync(join(folder, part), { recursive: true });
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return buildOf(folder);
  };
  const first = write('libs/a/dist/index.js', '1');
  expect(buildOf(folder)).toBe(first);
  expect(write('libs/a/notes.md', 'words')).toBe(first);
  expect(write('libs/a/dist/index.js', '2')).not.toBe(first);
  expect(write('libs/a/dist/index.js', '1')).toBe(first);
  expect(write('services/b/host.sh', 'true')).not.toBe(first);
});

describe('the options', () => {
  it('name the windows in the order in which they are played, both plans in turn', () => {
    expect(wanted.turns).toHaveLength(20);
    expect(wanted.turns.slice(0, 3).map(({ plan, number }) => `${plan}-${number}`)).toEqual(['happy-1', 'rollback-1', 'happy-2']);
    const some = readOptions(['--all', '--plan', 'rollback', '--turn', '3-5', '--at-once', '2']) as Wanted;
    expect(some.turns.map(({ plan, number }) => `${plan}-${number}`)).toEqual(['rollback-3', 'rollback-4', 'rollback-5']);
    expect(some.atOnce).toBe(2);
  });

  it.each([
    ['--at-once', '0'],
    ['--at-once', '9'],
    ['--plan', 'sad'],
    ['--turn', '0'],
    ['--victim', 'me'],
    ['--all', '--double'],
    ['--what'],
  ])('refuse %s %s', (...argv) => {
    expect(readOptions(argv)).toHaveProperty('wrong');
  });
});
