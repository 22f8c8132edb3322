import { describe, expect, it } from 'vitest';
import {
  activeSeen,
  at,
  definitionOf,
  inputsOf,
  nodeSeen,
  PAIR,
  plannedOf,
  planOf,
  PLAYBOOK,
  seen,
  stateOf,
} from './fixtures/contract.js';
import { admittedTransaction, evaluateGate, evaluateGates, provenNodes } from './gates.js';
import { maxAgeMs, notOpen } from './gate-table.js';
import type { GateName } from './plan.js';
import type { DriftSeen, GateInputs, RolloutEvent, RolloutPlanned, TicketSeen } from './rollout.js';
import type { Known } from './state.js';

const NOW = at(10);
const known = (planned: Partial<RolloutPlanned> = {}, ...events: RolloutEvent[]): Known =>
  stateOf([{ type: 'RolloutPlanned', data: plannedOf(planned) }, ...events]) as Known;
const judge = (gate: GateName, state: Known, more: Partial<GateInputs> = {}, snapshot = PAIR) =>
  evaluateGate(gate, state, inputsOf(snapshot, more), NOW);
const reason = (gate: GateName, state: Known, more: Partial<GateInputs> = {}, snapshot = PAIR): string => {
  const { status, final, reason: said } = judge(gate, state, more, snapshot);
  return `${status}${final ? ' for good' : ''}: ${said}`;
};

describe('gate ha-layer', () => {
  it('is open where the cluster rolls, closed where it could not be told, closed for good where it cannot', () => {
    expect(judge('ha-layer', known())).toMatchObject({ status: 'open', requirement: 'required', until: at(3_610) });
    expect(reason('ha-layer', known(), { haLayer: null })).toBe('closed: The HA layer could not be classified.');
    expect(reason('ha-layer', known(), { haLayer: { haLayer: 'none', rolling: false, reason: 'Alone.' } })).toBe(
      'closed for good: This cluster cannot roll: Alone.',
    );
  });
});

describe('gate topology', () => {
  const topology = (more: Partial<GateInputs> = {}, nodes?: Parameters<typeof seen>[0], state = known()): string =>
    reason('topology', state, more, nodes === undefined ? PAIR : seen(nodes));

  it('is open for the cluster that was planned for', () => {
    expect(topology()).toBe('open: Complete, one active, a standby fit to serve.');
    expect(judge('topology', known()).evidence).toMatchObject({
      sharedHosts: [],
      twoNodeRisk: true,
      versions: { a: { postgresql: '17.9' } },
    });
  });

  it('is closed for good without a plan, for our own store and machines, and where there is nothing to do', () => {
    expect(topology({}, undefined, known({ plan: null, noPlanBecause: 'No standby.' }))).toBe('closed for good: No standby.');
    expect(topology({}, undefined, known({ plan: null }))).toBe('closed for good: No plan could be made.');
    expect(topology({}, [activeSeen('a'), nodeSeen('b', { systemIdentifier: 'own-store' })])).toBe(
      "closed for good: b carries the orchestrator's own store.",
    );
    const lab = known({ cluster: definitionOf(2, 'lab') });
    expect(topology({ machineIds: { 'host-b': 'own-machine' } }, undefined, lab)).toBe(
      'closed for good: host-b is a machine that the orchestrator itself runs on.',
    );
    expect(topology({ machineIds: { 'host-b': 'another' } }, undefined, lab)).toContain('open');
    expect(topology({ machineIds: { 'host-b': 'own-machine' } })).toContain('open');
    const done = { versions: { postgresql: { installed: '17.10', running: '17.10' } }, systemIdentifier: null };
    const nodes = [activeSeen('a', done), nodeSeen('b', done)];
    expect(topology({}, nodes)).toContain('closed for good: Every node already runs the target versions');
    const test = known({ kind: 'switchover-test', plan: planOf({ kind: 'switchover-test' }) });
    expect(topology({}, nodes, test)).toContain('open');
    const admitted: RolloutEvent = { type: 'RolloutAdmitted', data: { hosts: [], at: NOW, acceptedRisks: [] } };
    expect(topology({}, nodes, known({}, admitted))).toContain('open');
  });

  it('is closed where the picture is partial, or not the planned one', () => {
    expect(topology({ snapshot: null })).toBe('closed: The cluster could not be seen completely: it did not answer');
    expect(reason('topology', known(), {}, seen(PAIR.nodes, { complete: false, disagreements: ['b is silent.'] }))).toBe(
      'closed: The cluster could not be seen completely: b is silent.',
    );
    expect(topology({}, [nodeSeen('a'), nodeSeen('b')])).toBe('closed: Not exactly one node is active: none.');
    expect(topology({}, [activeSeen('a'), activeSeen('b')])).toBe('closed: Not exactly one node is active: a, b.');
    expect(topology({}, [nodeSeen('a'), activeSeen('b')])).toBe('closed: b serves, the plan was made with a serving.');
    const lost = known({}, { type: 'DeviationRecorded', data: { what: '', evidence: {}, at: NOW, serving: null } });
    expect(topology({}, undefined, lost)).toBe('closed: a serves, the plan was made with nobody serving.');
    expect(topology({ topologyFingerprint: null })).toContain('could not be compared');
    expect(topology({ topologyFingerprint: 'fp-2' })).toBe('closed: The topology has changed since the plan was made.');
  });

  it('is closed where nobody could take over, quorum would go, or the patch cannot be applied', () => {
    expect(topology({}, [activeSeen('a'), nodeSeen('b', { lag: null })])).toBe('closed: No standby is fit to take main over.');
    const witness = nodeSeen('c', { roles: { main: 'witness' } });
    expect(topology({}, [activeSeen('a'), nodeSeen('b'), witness])).toContain('open');
    expect(topology({}, [activeSeen('a'), nodeSeen('b'), { ...witness, availability: 'down' }])).toBe(
      'closed: With one node out there would be no quorum.',
    );
    const stuck = [{ node: 'b', proven: false, applicable: false, detail: 'the release is not there' }];
    expect(topology({ wayBack: stuck })).toBe('closed: The patch cannot be applied on b: the release is not there');
    const test = known({ kind: 'switchover-test', plan: planOf({ kind: 'switchover-test' }) });
    expect(topology({ wayBack: stuck }, undefined, test)).toContain('open');
  });

  it('is closed where the patch would not bring along the same on each node', () => {
    const told = (node: string, ...transactions: (readonly string[])[]): GateInputs['wayBack'] =>
      transactions.map((changes, index) => ({
        ...{ node, proven: true, applicable: true, detail: 'kept' },
        transaction: { item: `item-${index}`, changes },
      }));
    const judged = (...nodes: GateInputs['wayBack'][]): string => topology({ wayBack: nodes.flat() });
    expect(judged(told('a', ['pg=2', 'lib=2']), told('b', ['lib=2', 'pg=2']))).toContain('open');
    expect(judged(told('b', ['pg=2']))).toContain('open');
    expect(judged(told('a', ['pg=2', 'lib=2'], ['ssl=3']), told('b', ['ssl=3', 'z=1']))).toContain('open');
    expect(judged(told('a', ['pg=2', 'lib=2']), told('b', ['pg=2', 'ssl=3']))).toBe(
      'closed: The patch would not change the same everywhere: lib=2 on a and not on b, ssl=3 on b and not on a.',
    );
    const many = told('a', ['pg=2', 'b=1', 'c=1', 'd=1', 'e=1', 'f=1', 'g=1']);
    expect(judged(many, told('b', ['pg=2']))).toMatch(/f=1 on a and not on b and 1 more\.$/);
    const test = known({ kind: 'switchover-test', plan: planOf({ kind: 'switchover-test' }) });
    expect(topology({ wayBack: [...many, ...told('b', ['pg=2'])] }, undefined, test)).toContain('open');
  });

  it('is closed where a host is claimed, or another cluster on it would suffer', () => {
    expect(topology({ claimed: { 'host-b': 'r-9' } })).toBe('closed: host-b is claimed by rollout r-9.');
    const other = { host: 'host-b', cluster: 'shop', node: 's2', serving: false, lastFitStandby: false };
    expect(topology({ neighbours: [other] })).toContain('open');
    expect(topology({ neighbours: [{ ...other, serving: true }] })).toBe('closed: host-b also carries s2, which serves in shop.');
    expect(topology({ neighbours: [{ ...other, lastFitStandby: true }] })).toBe(
      'closed: host-b also carries s2, which is the last fit standby in shop.',
    );
    expect(topology({ neighbours: [{ ...other, losesQuorum: true }] })).toBe(
      'closed: host-b also carries s2, which is needed for the quorum in shop.',
    );
    const test = known({ kind: 'switchover-test', plan: planOf({ kind: 'switchover-test' }) });
    expect(topology({ neighbours: [{ ...other, serving: true }] }, undefined, test), 'no host step is begun').toContain('open');
  });
});

describe('gate drift', () => {
  const clean: DriftSeen = { requestId: 'q', assessedAt: at(5), blocking: [], warnings: 2, waived: 1, incomplete: [] };
  const asked: RolloutEvent = {
    type: 'DriftAssessmentRequested',
    data: { requestId: 'q', deadlineAt: at(30), expectedItems: [], at: at(1) },
  };
  const received = (more: Partial<DriftSeen> = {}): Known =>
    known({}, asked, { type: 'DriftAssessmentReceived', data: { ...clean, ...more } });

  it('waits for an answer until its deadline', () => {
    expect(judge('drift', known({}, asked))).toMatchObject({ status: 'pending', until: at(30) });
    expect(reason('drift', known())).toBe('closed: Drift has not been assessed.');
    const late = evaluateGate('drift', known({}, asked), inputsOf(PAIR), at(30));
    expect(late.status).toBe('closed');
  });

  it('is open on a clean answer that is young enough and was read again', () => {
    expect(judge('drift', received(), { drift: clean })).toMatchObject({
      status: 'open',
      reason: 'No blocking drift; 2 warnings, 1 waived.',
      until: at(3_605),
    });
    expect(reason('drift', received(), { drift: null })).toBe('closed: The drift assessment could not be read again.');
    expect(reason('drift', received({ assessedAt: at(-4_000) }), { drift: clean })).toContain('is too old');
  });

  it('is closed by a finding, by what could not be compared, and by what only the second reading shows', () => {
    const blocking = [
      { findingId: 'f', node: 'b', area: 'setting', name: 'max_connections', value: '50', expected: '100', detail: 'lower' },
    ];
    expect(reason('drift', received(), { drift: { ...clean, blocking } })).toBe(
      'closed: Blocking drift: b: max_connections is 50, expected 100 (lower).',
    );
    expect(reason('drift', received({ incomplete: ['pg_hba of b'] }), { drift: clean })).toBe(
      'closed: Blocking drift: could not be compared: pg_hba of b.',
    );
  });

  it('is open without a node that is out of service by our hand, and says so; not without another', () => {
    const gap = 'b: postgresql: the connection was refused';
    const out = (incomplete: readonly string[]): Known => ({
      ...received({ incomplete }),
      out: [{ node: 'b', stage: 'drained' }],
    });
    expect(judge('drift', out([gap]), { drift: clean })).toMatchObject({
      status: 'open',
      reason: 'No blocking drift; 2 warnings, 1 waived. Not compared while out of service: b.',
      evidence: { passedOver: ['b'] },
    });
    expect(reason('drift', out([gap, 'a: no facts were collected']), { drift: clean })).toBe(
      'closed: Blocking drift: could not be compared: a: no facts were collected.',
    );
    for (const stage of ['draining', 'joined'] as const)
      expect(reason('drift', { ...out([gap]), out: [{ node: 'b', stage }] }, { drift: clean })).toContain(gap);
  });
});

describe('gate switchover-test', () => {
  const result = { rolloutId: 'r-0', fingerprint: 'fp-1', at: at(-900), expiresAt: at(900), longestInterruptionMs: 90 };
  const untested = planOf({
    playbook: { ...PLAYBOOK, phases: { ...PLAYBOOK.phases, switchoverTest: { enabled: false, andBack: true } } },
  });

  it('is open by an unexpired result for the same topology, or by the test that the plan begins with', () => {
    expect(judge('switchover-test', known({ switchoverResult: result, plan: untested }))).toMatchObject({
      status: 'open',
      until: at(900),
    });
    expect(judge('switchover-test', known())).toMatchObject({ status: 'open', until: null, evidence: { own: true } });
    for (const stale of [null, { ...result, fingerprint: 'fp-0' }, { ...result, expiresAt: at(0) }]) {
      expect(reason('switchover-test', known({ switchoverResult: stale, plan: untested }))).toContain(
        'closed: No unexpired switchover result',
      );
    }
    expect(judge('switchover-test', known({ plan: null })).status).toBe('closed');
  });

  it('a result that has expired after the test was skipped for it closes', () => {
    const skipped: RolloutEvent = { type: 'StepSkipped', data: { stepId: '03-switchover-b', reason: '', at: at(5) } };
    expect(judge('switchover-test', known({ switchoverResult: { ...result, expiresAt: at(8) } }, skipped)).status).toBe('closed');
  });
});

describe('a gate that is open until a moment', () => {
  it('is closed from that moment on, so that a rollout holds for a person instead of asking again and again', () => {
    const approved: RolloutEvent = { type: 'RolloutApproved', data: { by: 'grace', binding: 'bind-1', at: at(-30) } };
    const production = { cluster: definitionOf(2, 'production') };
    expect(judge('approval', known({ ...production, closesAt: at(11) }, approved))).toMatchObject({ status: 'open' });
    expect(judge('approval', known({ ...production, closesAt: at(10) }, approved))).toMatchObject({
      status: 'closed',
      final: false,
      reason: `Approved by grace at ${at(-30)}. That held until ${at(10)}.`,
      evidence: { by: 'grace' },
    });
  });
});

describe('gates probe, window and way-back', () => {
  it('say what is missing', () => {
    expect(reason('probe', known(), { probe: { available: false, detail: 'no Node on host-p' } })).toBe(
      'closed: No probe can measure from outside: no Node on host-p',
    );
    expect(judge('window', known({ opensAt: at(60) }))).toMatchObject({ status: 'pending', until: at(60) });
    expect(reason('window', known({ closesAt: at(60) }))).toContain('closed for good: What is left of the window is too short');
    expect(judge('window', known({ plan: null }))).toMatchObject({ status: 'open', until: at(3_600) });
  });

  it('the way back counts by node, for all its items', () => {
    expect(reason('way-back', known(), { wayBack: [] })).toContain('could not be told');
    const gap = { node: 'b', proven: false, applicable: true, detail: 'no old release' };
    const gate = judge('way-back', known(), { wayBack: [{ ...gap, proven: true }, gap, { ...gap, node: 'a', proven: true }] });
    expect(gate).toMatchObject({
      status: 'closed',
      requirement: 'advisory',
      reason: 'No rollback, only forward: b: no old release',
      evidence: { proven: ['a'] },
    });
    expect(provenNodes(known({}, { type: 'GateEvaluated', data: gate }))).toEqual(['a']);
    expect(provenNodes(known())).toEqual([]);
  });

  it('what was said to change on a node is what is admitted there, item by item', () => {
    const seen = { proven: true, applicable: true, detail: 'kept' };
    const nodes = [
      { ...seen, node: 'b', transaction: { item: 'postgresql', changes: ['postgresql:all=2', 'lib:all=2'] } },
      { ...seen, node: 'a' },
    ];
    const admitted = known({}, { type: 'GateEvaluated', data: judge('way-back', known(), { wayBack: nodes }) });
    expect(admittedTransaction(admitted, 'b', 'postgresql')).toEqual(['postgresql:all=2', 'lib:all=2']);
    expect(admittedTransaction(admitted, 'b', 'patroni')).toBeUndefined();
    expect(admittedTransaction(admitted, 'a', 'postgresql')).toBeUndefined();
    expect(admittedTransaction(known(), 'b', 'postgresql')).toBeUndefined();
  });
});

describe('gates of production', () => {
  const production = (planned: Partial<RolloutPlanned> = {}, ...events: RolloutEvent[]): Known =>
    known({ cluster: definitionOf(2, 'production'), ...planned }, ...events);
  const ticket: TicketSeen = { ticketId: 't', number: 'CHG1', approver: 'carol', approved: true, expiresAt: null, reason: null };
  const recorded = (more: Partial<TicketSeen> = {}): Known =>
    production({}, { type: 'TicketRecorded', data: { ...ticket, ...more } });

  it('the ticket is approved, unexpired, and read again', () => {
    expect(reason('change-ticket', production())).toBe('closed: No change ticket has been recorded.');
    expect(reason('change-ticket', recorded())).toBe('closed: Ticket CHG1 could not be read again.');
    expect(judge('change-ticket', recorded(), { ticket })).toMatchObject({ status: 'open', until: at(3_600) });
    expect(judge('change-ticket', recorded({ expiresAt: at(60) }), { ticket })).toMatchObject({ status: 'open', until: at(60) });
    expect(reason('change-ticket', recorded({ approved: false }), { ticket })).toBe('closed: CHG1 is not approved.');
    expect(reason('change-ticket', recorded(), { ticket: { ...ticket, approved: false, reason: 'freeze week' } })).toBe(
      'closed: CHG1 is not approved: freeze week.',
    );
    expect(reason('change-ticket', recorded({ expiresAt: at(9) }), { ticket })).toBe(`closed: CHG1 expired at ${at(9)}.`);
  });

  it('the approval is by somebody else, and for what is in force', () => {
    const approved = (by: string, binding = 'bind-1'): Known =>
      production({}, { type: 'RolloutApproved', data: { by, binding, at: at(1) } });
    expect(reason('approval', production())).toBe('closed: Nobody has approved this rollout.');
    expect(reason('approval', approved('ada'))).toBe('closed: Nobody approves their own rollout.');
    expect(reason('approval', approved('bob', 'bind-0'))).toContain('closed: The approval has lapsed');
    expect(judge('approval', approved('bob'))).toMatchObject({ status: 'open', requirement: 'required' });
  });

  it('the rehearsal advises: passed, on a twin that resembles it enough', () => {
    const rehearsal = { passed: true, fidelity: 0.9, at: at(-60) };
    expect(judge('rehearsal', production(), { rehearsal })).toMatchObject({ status: 'open', requirement: 'advisory' });
    expect(reason('rehearsal', production())).toBe('closed: No rehearsal on the lab twin is known.');
    expect(reason('rehearsal', production(), { rehearsal: { ...rehearsal, passed: false } })).toContain('did not succeed');
    expect(reason('rehearsal', production(), { rehearsal: { ...rehearsal, fidelity: 0.5 } })).toBe(
      "closed: The twin's fidelity is 0.5, 0.8 is needed.",
    );
  });

  it('are all evaluated there; elsewhere those that are off are not', () => {
    expect(evaluateGates(production(), inputsOf(PAIR), NOW)).toHaveLength(10);
    expect(evaluateGates(known(), inputsOf(PAIR), NOW)).toHaveLength(7);
    expect(notOpen(production(), 0)).toHaveLength(8);
  });
});

describe('the age of evidence', () => {
  it('is what the playbook says, else an hour; `since` moves only with the status', () => {
    expect(maxAgeMs('drift', { ...PLAYBOOK, gates: [{ gate: 'drift', maxAgeMs: 5 }] })).toBe(5);
    expect(maxAgeMs('drift', PLAYBOOK)).toBe(3_600_000);
    const first = evaluateGate('probe', known(), inputsOf(PAIR), at(1));
    const after = known({}, { type: 'GateEvaluated', data: first });
    expect(evaluateGate('probe', after, inputsOf(PAIR), at(9)).since).toBe(at(1));
    expect(evaluateGate('probe', after, inputsOf(PAIR, { probe: { available: false, detail: '' } }), at(9)).since).toBe(at(9));
  });
});
