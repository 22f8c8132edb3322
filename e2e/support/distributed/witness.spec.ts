import { describe, expect, it } from 'vitest';
import { repeated, type JournalFile } from './witness.js';

const ROLLOUT = '0198f2c4-0000-7000-8000-000000000000';

function act(step: string, name: string, attempt: number, code: number | undefined): JournalFile {
  return { kind: 'acts', key: `${ROLLOUT}/${step}/${attempt}/${name}/1`, epoch: 1, code };
}

function job(step: string, attempt: number, code: number | undefined): JournalFile {
  return { kind: 'jobs', key: `${ROLLOUT}-${step}-${attempt}`, epoch: 1, code };
}

describe('what a host executed twice', () => {
  it('is nothing where each act was entered once', () => {
    expect(repeated([act('04-drain-b', 'stop', 1, 0), act('08-join-b', 'start', 1, 0), job('05-patch-b', 1, 0)])).toEqual([]);
  });

  it('is an act that ended well in two attempts', () => {
    const twice = [act('04-drain-b', 'stop', 1, 0), act('04-drain-b', 'stop', 2, 0)];
    expect(repeated(twice)).toEqual(['04-drain-b stop: 2 times (0, 0)']);
  });

  it.each([4, 5, 137])('is also an act of which one time ended with %i', (code) => {
    const twice = [act('03-switchover-b', 'stop-active', 1, code), act('03-switchover-b', 'stop-active', 2, 0)];
    expect(repeated(twice)).toEqual([`03-switchover-b stop-active: 2 times (${code}, 0)`]);
  });

  it('is also an act that was cut off, and then done again', () => {
    const twice = [act('04-drain-b', 'stop', 1, undefined), act('04-drain-b', 'stop', 2, 0)];
    expect(repeated(twice)).toEqual(['04-drain-b stop: 2 times (no end, 0)']);
  });

  it.each([0, 1, undefined])('is a job that was started twice, also where the first one ended with %s', (code) => {
    expect(repeated([job('05-patch-b', 1, code), job('05-patch-b', 2, 0)])).toEqual([
      `05-patch-b job: 2 times (${code ?? 'no end'}, 0)`,
    ]);
  });

  it('is not an act that found its precondition gone and changed nothing', () => {
    expect(repeated([act('03-switchover-b', 'stop-active', 1, 3), act('03-switchover-b', 'stop-active', 2, 0)])).toEqual([]);
  });

  it('is not the start of a server that did not start', () => {
    expect(repeated([act('06-join-b', 'start', 1, 4), act('06-join-b', 'start', 1, 4)])).toEqual([]);
  });

  it('is not what was entered and perhaps never sent to PostgreSQL, or refused by it', () => {
    const once = [1, undefined].map((code, index) => act('03-switchover-b', 'promote', index + 1, code));
    expect(repeated([...once, act('03-switchover-b', 'promote', 3, 0)])).toEqual([]);
    expect(repeated([0, 0].map((code, index) => act('03-switchover-b', 'promote', index + 1, code)))).toHaveLength(1);
  });

  it('throws for a key that it cannot read, rather than pass over it', () => {
    expect(() => repeated([{ kind: 'acts', key: 'something', epoch: 1, code: 0 }])).toThrow('unknown form: something');
  });
});
