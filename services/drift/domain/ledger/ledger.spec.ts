import { fold } from '@understudy/decider';
import { describe, expect, it } from 'vitest';
import type { Baseline } from '../comparison/baseline.js';
import type { CollectedFacts, Fact } from '../comparison/facts.js';
import { driftDecider } from './decide.js';
import type { DriftCommand, DriftEvent, LedgerState } from './ledger.js';
import { REQUESTS_KEPT, WAIVER_LIMIT_DAYS } from './ledger.js';

const NOW = Date.parse('2026-03-01T10:00:00Z');
const DAY_MS = 86_400_000;
const at = (position: number) => ({ source: '/understudy/inventory/log-1', position });
const noted = {
  type: 'ClusterNoted',
  body: {
    cluster: 'orders',
    platform: 'postgres-streaming',
    environment: 'production',
    members: ['a', 'b'],
    twinOf: '',
    ...at(1),
  },
} as const satisfies DriftEvent;

function facts(active: string, standby: string, missing: readonly string[] = []): CollectedFacts {
  const node = (slug: string, value: string, lacks: readonly string[] = []) => ({
    node: slug,
    collectedAt: '2026-03-01T10:00:00Z',
    facts: [{ area: 'setting', name: 'max_connections', value }] as readonly Fact[],
    missing: lacks,
  });
  return { nodes: [node('a', active), node('b', standby, missing)], activeNode: 'a' };
}
const receive = (position: number, collected: CollectedFacts, requestId = '', nowMs = NOW): DriftCommand => ({
  type: 'receive-facts',
  cluster: 'orders',
  requestId,
  collected,
  origin: at(position),
  baselines: [],
  nowMs,
});
const ask = (requestId: string, expectedItems: readonly string[] = [], rolloutId = ''): DriftCommand => ({
  type: 'request-assessment',
  cluster: 'orders',
  request: { requestId, rolloutId, expectedItems, deadline: '2026-03-01T10:01:00Z' },
  baselines: [],
  nowMs: NOW,
});
const reassess = (nowMs: number, baselines: readonly Baseline[] = []): DriftCommand => ({ type: 'reassess', baselines, nowMs });

function given(...events: readonly DriftEvent[]) {
  return {
    when: (...commands: readonly DriftCommand[]) => {
      const log = after(events, ...commands);
      const added = log.slice(events.length);
      return {
        then: (...types: readonly string[]) => expect(added.map((event) => event.type)).toEqual(types),
        added,
        state: fold(driftDecider, log),
      };
    },
    whenRefused: (command: DriftCommand, kind: string, code: string) => {
      const decision = driftDecider.decide(command, fold(driftDecider, events));
      expect(decision).toMatchObject({ accepted: false, kind, refusals: [{ code }] });
    },
  };
}
/** The log after some commands: what was there and what they added. */
function after(events: readonly DriftEvent[], ...commands: readonly DriftCommand[]): readonly DriftEvent[] {
  return commands.reduce<readonly DriftEvent[]>((log, command) => {
    const decision = driftDecider.decide(command, fold(driftDecider, log));
    return decision.accepted ? [...log, ...decision.events] : log;
  }, events);
}
const assessed = (events: readonly DriftEvent[]) =>
  events.flatMap((event) => (event.type === 'DriftAssessed' ? [event.body] : []));
const idOf = (state: LedgerState): string => Object.keys(state.entries)[0] as string;

describe('findings', () => {
  it('open, stay without news, move with their values, and resolve', () => {
    given(noted)
      .when(receive(2, facts('100', '50')))
      .then('FactsReceived', 'FindingOpened');
    given(noted)
      .when(receive(2, facts('100', '50')), receive(3, facts('100', '50')))
      .then('FactsReceived', 'FindingOpened', 'FactsReceived');
    const moved = given(noted).when(receive(2, facts('100', '50')), receive(3, facts('100', '60')));
    moved.then('FactsReceived', 'FindingOpened', 'FactsReceived', 'FindingOpened');
    expect(Object.values(moved.state.entries)).toMatchObject([{ state: 'open', finding: { value: '60' } }]);
    given(noted)
      .when(receive(2, facts('100', '50')), receive(3, facts('100', '100')))
      .then('FactsReceived', 'FindingOpened', 'FactsReceived', 'FindingResolved');
    given(noted)
      .when(receive(2, facts('100', '50')), receive(3, facts('100', '100')), receive(4, facts('100', '50')))
      .then('FactsReceived', 'FindingOpened', 'FactsReceived', 'FindingResolved', 'FactsReceived', 'FindingOpened');
  });
  it('stay open while a node could not be looked at, and resolved ones stay so', () => {
    const blind: CollectedFacts = {
      nodes: [...facts('100', '100').nodes.slice(0, 1), { node: 'b', collectedAt: '', facts: [], missing: ['no answer'] }],
      activeNode: 'a',
    };
    given(noted)
      .when(receive(2, facts('100', '50')), receive(3, blind))
      .then('FactsReceived', 'FindingOpened', 'FactsReceived');
    given(noted)
      .when(receive(2, facts('100', '50')), receive(3, facts('1', '1')), receive(4, facts('1', '1')))
      .then('FactsReceived', 'FindingOpened', 'FactsReceived', 'FindingResolved', 'FactsReceived');
  });
  it('ignore a message heard twice and an old one, whatever it says', () => {
    given(noted)
      .when(receive(5, facts('100', '50')), receive(5, facts('100', '50')), receive(4, facts('1', '1')))
      .then('FactsReceived', 'FindingOpened');
    given(noted)
      .when({ type: 'note-cluster', cluster: noted.body, origin: at(1) })
      .then();
  });
  it('know the cluster as it was last registered', () => {
    const { source: _source, position: _position, ...cluster } = noted.body;
    const note = (position: number): DriftCommand => ({
      type: 'note-cluster',
      cluster: { ...cluster, members: ['a'] },
      origin: at(position),
    });
    const { state } = given(noted).when(note(2), note(2));
    expect(state).toMatchObject({ cluster: { members: ['a'] }, origin: { position: 2 } });
    given(noted).when(note(2), note(2)).then('ClusterNoted');
  });
  it('follow a log that was restored: another source begins anew', () => {
    const restored: DriftCommand = {
      ...(receive(1, facts('1', '1')) as Extract<DriftCommand, { type: 'receive-facts' }>),
      origin: { source: '/understudy/inventory/log-2', position: 1 },
    };
    given(noted)
      .when(receive(5, facts('100', '50')), restored)
      .then('FactsReceived', 'FindingOpened', 'FactsReceived', 'FindingResolved');
  });
  it('end when the cluster is retired', () => {
    const gone: DriftCommand = { type: 'forget-cluster', origin: at(9) };
    given(noted)
      .when(receive(2, facts('100', '50')), gone)
      .then('FactsReceived', 'FindingOpened', 'FindingResolved', 'ClusterForgotten');
    given(noted)
      .when(receive(2, facts('100', '50')), receive(3, facts('1', '1')), gone)
      .then('FactsReceived', 'FindingOpened', 'FactsReceived', 'FindingResolved', 'ClusterForgotten');
    given().when(gone).then();
    given(noted)
      .when({ ...gone, origin: at(1) })
      .then();
  });
  it('follow a baseline that changed', () => {
    const base: Baseline = {
      name: 'x',
      description: '',
      appliesTo: {},
      requirements: [{ area: 'setting', name: 'max_connections', value: '100', severity: 'warning' }],
    };
    given(noted, ...after([noted], receive(2, facts('90', '90'))).slice(1))
      .when(reassess(NOW, [base]), reassess(NOW))
      .then('FindingOpened', 'FindingOpened', 'FindingResolved', 'FindingResolved');
    given(noted)
      .when(reassess(NOW, [base]))
      .then();
  });
});

describe('assessments', () => {
  it('answer a request when its facts have come', () => {
    const { added } = given(noted).when(ask('r-1'), receive(2, facts('100', '50'), 'r-1'));
    expect(added.map((event) => event.type)).toEqual(['AssessmentRequested', 'FactsReceived', 'FindingOpened', 'DriftAssessed']);
    expect(assessed(added)).toMatchObject([
      {
        cluster: 'orders',
        requestId: 'r-1',
        assessedAt: '2026-03-01T10:00:00.000Z',
        blocking: [{ node: 'b', name: 'max_connections' }],
        warnings: 0,
        waived: 0,
        incomplete: [],
      },
    ]);
  });
  it('answer the same when the facts came first, and once however often either is heard', () => {
    const { added } = given(noted).when(
      receive(2, facts('100', '50'), 'r-1'),
      receive(2, facts('100', '50'), 'r-1'),
      ask('r-1'),
      ask('r-1'),
    );
    expect(added.map((event) => event.type)).toEqual(['FactsReceived', 'FindingOpened', 'AssessmentRequested', 'DriftAssessed']);
  });
  it('are never given from older facts, nor for another request', () => {
    given(noted)
      .when(receive(2, facts('100', '50')), ask('r-1'), ask('r-1'), receive(3, facts('100', '50'), 'r-0'))
      .then('FactsReceived', 'FindingOpened', 'AssessmentRequested', 'FactsReceived');
  });
  it('say what is incomplete; a cluster that nobody registered is answered so', () => {
    expect(assessed(given(noted).when(ask('r-1'), receive(2, facts('100', '100', ['no answer']), 'r-1')).added)).toMatchObject([
      { incomplete: ['b: no answer'] },
    ]);
    expect(assessed(given().when(ask('r-1'), receive(2, { nodes: [], activeNode: '' }, 'r-1')).added)).toMatchObject([
      { blocking: [], incomplete: ['the cluster is not registered, or none of its facts are known'] },
    ]);
  });
  it('count warnings and leave waived findings out of what blocks', () => {
    const open = given(noted).when(receive(2, facts('100', '50')));
    const waived = given(noted, ...open.added).when({
      type: 'waive',
      findingId: idOf(open.state),
      waiver: { owner: 'ada', reason: 'replaced soon', expiresAt: '2026-03-05T00:00:00Z' },
      nowMs: NOW,
    });
    const { added } = given(noted, ...open.added, ...waived.added).when(ask('r-1'), receive(3, facts('100', '50'), 'r-1'));
    expect(assessed(added)).toMatchObject([{ blocking: [], waived: 1, warnings: 0 }]);
  });
  it('remember a bounded number of requests', () => {
    const many = Array.from({ length: REQUESTS_KEPT + 5 }, (_, i) => ask(`r-${i}`));
    expect(Object.keys(given(noted).when(...many).state.waiting)).toHaveLength(REQUESTS_KEPT);
  });
});

describe('what a running rollout changes', () => {
  const versions = (standby: string): CollectedFacts => ({
    nodes: [
      {
        node: 'a',
        collectedAt: '2026-03-01T10:00:00Z',
        facts: [{ area: 'version', name: 'postgresql', value: '17.9' }],
        missing: [],
      },
      {
        node: 'b',
        collectedAt: '2026-03-01T10:00:00Z',
        facts: [{ area: 'version', name: 'postgresql', value: standby }],
        missing: [],
      },
    ],
    activeNode: 'a',
  });
  it('is no drift until the rollout is closed', () => {
    const running = given(noted).when(
      ask('r-1', ['postgresql'], 'ro-1'),
      receive(2, versions('17.10'), 'r-1'),
      receive(3, versions('17.10')),
    );
    running.then('AssessmentRequested', 'FactsReceived', 'DriftAssessed', 'FactsReceived');
    const end: DriftCommand = { type: 'end-expectation', rolloutId: 'ro-1', baselines: [], nowMs: NOW };
    given(noted, ...running.added)
      .when(end, end)
      .then('ExpectationEnded', 'FindingOpened');
    given().when(end).then();
    const early = given().when(ask('r-1', ['postgresql'], 'ro-1'), end);
    expect(early.added.at(-1)).toMatchObject({ body: { cluster: '' } });
  });
  it('is expected for a request outside a rollout as long as it waits', () => {
    const { added } = given(noted).when(ask('r-1', ['postgresql']), receive(2, versions('17.10'), 'r-1'));
    expect(assessed(added)).toMatchObject([{ warnings: 0 }]);
  });
});

describe('waivers', () => {
  const opened = after([noted], receive(2, facts('100', '50')));
  const findingId = idOf(fold(driftDecider, opened));
  const waive = (expiresAt: string, id = findingId): DriftCommand => ({
    type: 'waive',
    findingId: id,
    waiver: { owner: 'ada', reason: 'replaced soon', expiresAt },
    nowMs: NOW,
  });
  const until = '2026-03-05T00:00:00Z';
  const waived = after(opened, waive(until));

  it('accept an open finding, and can be renewed', () => {
    given(...opened)
      .when(waive(until), waive('2026-03-09T00:00:00Z'))
      .then('FindingWaived', 'FindingWaived');
    expect(fold(driftDecider, waived).entries[findingId]).toMatchObject({ state: 'waived', waiver: { owner: 'ada' } });
  });
  it('lapse', () => {
    given(...waived)
      .when(reassess(Date.parse(until) - 1))
      .then();
    const lapsed = given(...waived).when(reassess(Date.parse(until)));
    lapsed.then('WaiverEnded');
    expect(lapsed.state.entries[findingId]).toMatchObject({ state: 'open' });
    expect(lapsed.state.entries[findingId]).not.toHaveProperty('waiver');
  });
  it('hold for the values that were accepted and no others', () => {
    given(...waived)
      .when(receive(3, facts('100', '50')))
      .then('FactsReceived');
    const changed = given(...waived).when(receive(3, facts('100', '40')));
    changed.then('FactsReceived', 'WaiverEnded', 'FindingOpened');
    expect(changed.state.entries[findingId]?.state).toBe('open');
  });
  it('survive a finding that comes and goes, as after a switchover there and back', () => {
    const back = given(...waived).when(receive(3, facts('1', '1')), receive(4, facts('100', '50')));
    back.then('FactsReceived', 'FindingResolved', 'FactsReceived', 'FindingOpened');
    expect(back.added.at(-1)).toMatchObject({ body: { waived: true } });
    expect(back.state.entries[findingId]).toMatchObject({ state: 'waived', waiver: { owner: 'ada' } });
    const late = given(...waived).when(receive(3, facts('1', '1')), receive(4, facts('1', '1'), '', Date.parse(until)));
    late.then('FactsReceived', 'FindingResolved', 'FactsReceived', 'WaiverEnded');
    expect(late.state.entries[findingId]?.state).toBe('resolved');
    expect(late.added.at(-1)?.body).not.toHaveProperty('reopens');
  });
  it('are refused for what is not there, is gone, in the past or too far ahead', () => {
    given(...opened).whenRefused(waive(until, 'f-0'), 'not-found', 'FINDING_NOT_FOUND');
    given(...after(opened, receive(3, facts('1', '1')))).whenRefused(waive(until), 'conflict', 'FINDING_RESOLVED');
    given(...opened).whenRefused(waive('2026-03-01T10:00:00Z'), 'invalid', 'EXPIRY_IN_PAST');
    given(...opened).whenRefused(
      waive(new Date(NOW + WAIVER_LIMIT_DAYS * DAY_MS + 1).toISOString()),
      'invalid',
      'EXPIRY_TOO_FAR',
    );
  });
  it('can be withdrawn, once', () => {
    const withdraw: DriftCommand = { type: 'withdraw-waiver', findingId, by: 'bob' };
    const { added } = given(...waived).when(withdraw, withdraw);
    expect(added).toMatchObject([
      { type: 'WaiverEnded', body: { findingId, reason: 'Withdrawn by bob.', reopens: { node: 'b' } } },
    ]);
    given(...opened).whenRefused({ ...withdraw, findingId: 'f-0' }, 'not-found', 'FINDING_NOT_FOUND');
  });
});

describe('fidelity of a lab', () => {
  const lab = {
    type: 'ClusterNoted',
    body: { ...noted.body, cluster: 'lab', twinOf: 'orders' },
  } as const satisfies DriftEvent;
  const production = fold(driftDecider, after([noted], receive(2, facts('100', '100'))));
  const score = (of: LedgerState | undefined): DriftCommand => ({ type: 'score-fidelity', twinOf: 'orders', production: of });
  const seen = after([lab], receive(2, facts('90', '90')));

  it('is written when it changed', () => {
    const { added } = given(...seen).when(score(production), score(production));
    expect(added).toMatchObject([{ type: 'FidelityScored', body: { cluster: 'lab', twinOf: 'orders', score: 75 } }]);
  });
  it('is written anew after the document changed', () => {
    const scored = after(seen, score(production));
    const note: DriftCommand = { type: 'note-cluster', cluster: lab.body, origin: at(9) };
    given(...scored)
      .when(note, score(production))
      .then('ClusterNoted', 'FidelityScored');
  });
  it('is not given without facts on both sides, nor for a cluster that mirrors another', () => {
    given(lab).when(score(production)).then();
    given(...seen)
      .when(score(undefined), score(fold(driftDecider, [noted])))
      .then();
    given(...seen)
      .when({ type: 'score-fidelity', twinOf: 'other', production })
      .then();
  });
});
