import { describe, expect, it } from 'vitest';
import type { ClusterSnapshot, Leftover, NodeSnapshot } from '@understudy/cluster';
import {
  activeSeen,
  ADMITTED,
  ADOPTED,
  definitionOf,
  eventsOf,
  nodeSeen,
  outcome,
  plannedOf,
  request,
  RUNNING,
  seen,
  stateOf,
} from './fixtures/contract.js';
import { remains } from './left-behind.js';
import { INITIAL } from './state.js';
import type { RolloutEvent, RolloutState } from './rollout.js';

const left = (kind: Leftover['kind'], more: Partial<Leftover> = {}): Leftover => ({
  kind,
  node: 'b',
  what: `${kind} lies there.`,
  host: 'host-b',
  commands: ['cd /srv/b', `undo ${kind}`],
  ...more,
});
const look = (b: Partial<NodeSnapshot>, more: Partial<ClusterSnapshot> = {}): ClusterSnapshot =>
  seen([activeSeen('a'), nodeSeen('b', b)], more);
const OUT: RolloutState = { ...RUNNING, out: [{ node: 'b', stage: 'drained' }] };
const away = { availability: 'drained', joined: false, electable: false } as const;

describe('what is left behind', () => {
  it('is told with the commands that the platform names, to be pasted on the host', () => {
    expect(remains(OUT, look({ ...away, leftovers: [left('drained'), left('relaxed', { host: 'host-a' })] }))).toEqual([
      { what: 'b is out of service (drained).', mend: 'On host-b: cd /srv/b && undo drained' },
      { what: 'relaxed lies there.', mend: 'On host-a: cd /srv/b && undo relaxed' },
    ]);
  });

  it('is told in words where the platform names none, or nothing was seen', () => {
    const words = 'Start b as a standby of the serving node, see it replicate, then make it electable again.';
    for (const snapshot of [null, look(away), seen([activeSeen('a')]), look({}, { complete: false })])
      expect(remains(OUT, snapshot)).toEqual([{ what: 'b is out of service (drained).', mend: words }]);
  });

  it('is not what a person has mended already', () => {
    expect(remains(OUT, look({}))).toEqual([]);
    expect(remains(OUT, look({ leftovers: [left('switchover')] }))).toEqual([]);
    const still: readonly Partial<NodeSnapshot>[] = [
      { availability: 'down' },
      { joined: false },
      { electable: false },
      { leftovers: [left('drained')] },
    ];
    for (const b of still) expect(remains(OUT, look(b))).toHaveLength(1);
  });

  it('is the mark of a switchover only where one did not end', () => {
    const marked = look({ leftovers: [left('switchover')] });
    expect(remains(RUNNING, marked)).toEqual([]);
    const step = RUNNING.steps.find((candidate) => candidate.step.kind === 'switchover');
    const half = (status: 'failed' | 'succeeded' | 'skipped', attempt = 1): RolloutState => ({
      ...RUNNING,
      steps: [{ ...(step as RolloutState['steps'][number]), status, attempt }],
    });
    expect(remains(half('failed'), marked)).toEqual([
      { what: 'switchover lies there.', mend: 'On host-b: cd /srv/b && undo switchover' },
    ]);
    for (const state of [half('succeeded'), half('skipped'), half('failed', 0)]) expect(remains(state, marked)).toEqual([]);
    expect(remains(half('failed'), look({ joined: false, leftovers: [left('stopped')] }))[0]).toEqual({
      what: 'b was no member of the cluster in the last look (streaming).',
      mend: 'On host-b: cd /srv/b && undo stopped',
    });
  });

  it('is nothing of a rollout that was never admitted, whatever lies on the nodes', () => {
    const planned: RolloutEvent = { type: 'RolloutPlanned', data: plannedOf() };
    expect(remains(stateOf([planned]), look({ leftovers: [left('relaxed')] }))).toEqual([]);
  });

  it('is said of whatever is known, even of nothing', () => {
    expect(remains({ ...INITIAL, probeRunning: true }, null)).toHaveLength(1);
    const orphan = { ...RUNNING, planned: null, steps: RUNNING.steps.map((step) => ({ ...step, status: 'unknown' as const })) };
    expect(remains(orphan, null)).toHaveLength(RUNNING.steps.length);
  });

  describe('of jobs', () => {
    const hands = { stopJob: 'kill {job}', jobLog: 'tail {job}/log' };
    const planned = (byHand?: NonNullable<ReturnType<typeof plannedOf>['byHand']>): RolloutEvent => ({
      type: 'RolloutPlanned',
      data: plannedOf({
        cluster: { ...definitionOf(2), ...(byHand === undefined ? {} : { probeHost: 'host-a' }) },
        ...(byHand === undefined ? {} : { byHand }),
      }),
    });
    const probing = (byHand?: Parameters<typeof planned>[0]): RolloutState => {
      const state = stateOf([planned(byHand), ADOPTED, ADMITTED]);
      return stateOf(eventsOf(request('01-start-probe'), state), state);
    };
    const mends = (state: RolloutState): readonly string[] => remains(state, look({})).map((entry) => entry.mend);

    it('is the probe: where its job is ended', () => {
      expect(mends(probing({ 'host-a': hands }))).toEqual(['It ends by itself at its limit; or, on host-a: kill r-1-probe']);
      expect(mends(probing())).toEqual(['It ends by itself at its limit; or end its job on the probe host.']);
    });

    it('is a step that nobody can tell of: where its log lies', () => {
      const running = stateOf([planned({ 'host-b': hands }), ADOPTED, ADMITTED]);
      const unknown = (stepId: string, ask: object): RolloutState => ({
        ...running,
        steps: running.steps.map((step) =>
          step.step.stepId === stepId
            ? { ...step, status: 'unknown', reason: 'silence', requested: { key: `r-1/${stepId}/1`, ask } as never }
            : step,
        ),
      });
      expect(mends(unknown('08-patch-b', { ask: 'job' }))).toEqual([
        "Look at the node and at the job's log (on host-b: tail r-1-08-patch-b-1/log); bring it to one state or the other.",
      ]);
      expect(mends(unknown('07-drain-b', { ask: 'verb' }))).toEqual(['Look at the node; bring it to one state or the other.']);
      const asked = stateOf(eventsOf(request('01-start-probe'), running), running);
      const lost = stateOf(eventsOf(outcome('01-start-probe', { outcome: 'unknown', reason: 'x' }), asked), asked);
      expect(mends(lost)[0]).toBe('Look at the node; bring it to one state or the other.');
    });
  });
});
