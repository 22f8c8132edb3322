import { describe, expect, it } from 'vitest';
import { until } from '../contract.js';
import { Commits, type DoneOffset } from './commits.js';

interface Attempt {
  readonly offsets: readonly string[];
  readonly answer: () => void;
  readonly refuse: () => void;
}

/** A broker that answers each commit when it is told to. */
function slowBroker(): { readonly attempts: Attempt[]; readonly commit: (offsets: DoneOffset[]) => Promise<void> } {
  const attempts: Attempt[] = [];
  const commit = (offsets: DoneOffset[]): Promise<void> =>
    new Promise((resolve, reject) => {
      const told = offsets.map(({ topic, partition, offset }) => `${topic}/${partition}@${offset}`);
      attempts.push({ offsets: told, answer: resolve, refuse: () => reject(new Error('refused')) });
    });
  return { attempts, commit };
}

const at = (partition: number, offset: string): DoneOffset => ({ topic: 't', partition, offset });

describe('what is done under one assignment', () => {
  it('is committed as it comes, the last offset of each partition, one commit at a time', async () => {
    const { attempts, commit } = slowBroker();
    const commits = new Commits(commit, () => undefined);
    commits.done(at(0, '1'));
    await until(() => attempts.length === 1);
    for (const done of [at(0, '2'), at(1, '7'), at(0, '3')]) commits.done(done);
    expect(attempts).toHaveLength(1);
    attempts[0]?.answer();
    await until(() => attempts.length === 2);
    attempts[1]?.answer();
    await commits.flushed();
    expect(attempts.map(({ offsets }) => offsets)).toEqual([['t/0@1'], ['t/0@3', 't/1@7']]);
  });

  it('is tried again when a commit fails, unless something later is done by then', async () => {
    const { attempts, commit } = slowBroker();
    const reasons: unknown[] = [];
    const commits = new Commits(commit, (error) => reasons.push(error));
    commits.done(at(0, '1'));
    commits.done(at(1, '1'));
    await until(() => attempts.length === 1);
    commits.done(at(0, '2'));
    attempts[0]?.refuse();
    await until(() => attempts.length === 2);
    expect([...(attempts[1]?.offsets ?? [])].sort()).toEqual(['t/0@2', 't/1@1']);
    expect(reasons).toEqual([new Error('refused')]);
    attempts[1]?.answer();
    await commits.flushed();
  });

  it('does not go back to the broker after the assignment is over, and does not hold up the next one', async () => {
    const { attempts, commit } = slowBroker();
    const before = new Commits(commit, () => undefined);
    before.done(at(0, '5'));
    await until(() => attempts.length === 1);
    before.end();
    const after = new Commits(commit, () => undefined);
    // While the broker owes the old one its answer.
    after.done(at(0, '9'));
    await until(() => attempts.length === 2);
    attempts[0]?.refuse();
    before.done(at(0, '6'));
    await before.flushed();
    attempts[1]?.answer();
    await after.flushed();
    expect(attempts.map(({ offsets }) => offsets)).toEqual([['t/0@5'], ['t/0@9']]);
  });

  // Wherever among the turns of the queue of promises the pass ends.
  it.each(Array.from({ length: 12 }, (_, index) => index))(
    'is not forgotten if it is done in the moment in which a pass ends, %i turns after the answer',
    async (turns) => {
      const { attempts, commit } = slowBroker();
      const commits = new Commits(commit, () => undefined);
      commits.done(at(0, '1'));
      await until(() => attempts.length === 1);
      attempts[0]?.answer();
      for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
      commits.done(at(0, '2'));
      await until(() => attempts.length === 2);
      attempts[1]?.answer();
      await commits.flushed();
      expect(attempts[1]?.offsets).toEqual(['t/0@2']);
    },
  );
});
