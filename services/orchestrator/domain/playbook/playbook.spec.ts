import { describe, expect, it } from 'vitest';
import { fold } from '@understudy/decider';
import { playbookDecider, type PlaybookCommand, type PlaybookEvent } from './playbook.js';
import { DEFAULT_PLAYBOOK, readPlaybook } from './read.js';

const at = '2026-03-01T20:00:00.000Z';
const store = (version: number, hash: string, role: PlaybookCommand['by']['role'] = 'operator'): PlaybookCommand => ({
  type: 'StorePlaybook',
  playbook: { ...DEFAULT_PLAYBOOK, version },
  hash,
  by: { subject: 'ada', role },
  at,
});
const stored = (version: number, hash: string): PlaybookEvent => ({
  type: 'PlaybookStored',
  data: { playbook: { ...DEFAULT_PLAYBOOK, version }, hash, by: 'ada', at },
});
const { decide, initial } = playbookDecider;

describe('stored playbooks', () => {
  it('go up version by version, and none ever changes', () => {
    expect(decide(store(1, 'h1'), initial)).toEqual({ accepted: true, events: [stored(1, 'h1')] });
    const state = fold(playbookDecider, [stored(1, 'h1')]);
    expect(decide(store(1, 'h1'), state)).toEqual({ accepted: true, events: [] });
    expect(decide(store(1, 'other'), state)).toMatchObject({ kind: 'conflict', refusals: [{ code: 'PLAYBOOK_VERSION_EXISTS' }] });
    expect(decide(store(3, 'h3'), state)).toMatchObject({ refusals: [{ code: 'PLAYBOOK_VERSION_SKIPPED' }] });
    expect(decide(store(2, 'h2', 'admin'), state).accepted).toBe(true);
  });

  it('are stored by operators and admins alone', () => {
    expect(decide(store(1, 'h1', 'viewer'), initial)).toMatchObject({ kind: 'forbidden', refusals: [{ code: 'ROLE_MISSING' }] });
  });
});

describe('reading a playbook', () => {
  const codes = (document: unknown): readonly string[] => {
    const reading = readPlaybook(document);
    return 'refusals' in reading ? reading.refusals.map((refusal) => `${refusal.pointer} ${refusal.code}`) : [];
  };

  it('writes every default out', () => {
    expect(readPlaybook({ name: 'default', version: 1 })).toEqual({ playbook: DEFAULT_PLAYBOOK });
  });

  it('keeps everything that is said', () => {
    const document = {
      name: 'nightly',
      version: 2,
      kind: 'rehearsal',
      gates: [{ gate: 'drift', maxAgeMs: 60_000 }],
      phases: {
        switchoverTest: { enabled: false, andBack: false },
        failback: { enabled: true },
        soakMs: 5_000,
        interruptionBudgetMs: 2_000,
      },
      checks: [
        { name: 'orders', kind: 'sql', sql: 'select count(*) from orders', expect: '1' },
        { name: 'shop', kind: 'http', url: 'http://127.0.0.1/health', expect: 'ok' },
        { name: 'queue', kind: 'command', command: 'queue-empty', digest: 'abc', expect: '0' },
      ],
      pauseBefore: ['switchover'],
      onFailure: 'hold',
      maxUnavailable: 1,
      durations: { patch: 9_000 },
      mixedVersionsMaxMs: 7_200_000,
    };
    expect(readPlaybook(document)).toEqual({ playbook: document });
  });

  it('refuses what it does not know, all at once, each with its place', () => {
    expect(
      codes({
        name: 'Bad Name',
        version: 0,
        kind: 'big-bang',
        steps: [],
        gates: [{ gate: 'horoscope', maxAgeMs: 1 }],
        phases: { soakMs: -1, switchoverTest: { enabled: 'yes' }, warmUp: {} },
        checks: [{ name: 'x', kind: 'telepathy', expect: 'y' }],
        pauseBefore: ['lunch', 'recovery'],
        maxUnavailable: 2,
        durations: { dance: 1 },
        mixedVersionsMaxMs: 0,
      }),
    ).toEqual([
      '/steps UNKNOWN_FIELD',
      '/phases/warmUp UNKNOWN_FIELD',
      '/name NOT_A_NAME',
      '/version NOT_IN_RANGE',
      '/kind UNKNOWN_VALUE',
      '/gates/0/gate UNKNOWN_GATE',
      '/phases/switchoverTest/enabled NOT_A_FLAG',
      '/phases/soakMs NOT_IN_RANGE',
      '/checks/0/kind UNKNOWN_CHECK',
      '/pauseBefore/0 UNKNOWN_PHASE',
      '/pauseBefore/1 UNKNOWN_PHASE',
      '/maxUnavailable UNKNOWN_VALUE',
      '/durations/dance UNKNOWN_FIELD',
      '/mixedVersionsMaxMs NOT_IN_RANGE',
    ]);
  });

  it('refuses shapes that are none, and checks without content or of one name', () => {
    expect(codes('a text')).toEqual([' NOT_AN_OBJECT', '/name NOT_A_NAME', '/version NOT_IN_RANGE']);
    expect(codes({ name: 'a', version: 1, gates: 'all', phases: null, checks: [null] })).toContain('/gates NOT_A_LIST');
    expect(codes({ name: 'a', version: 1, phases: [], pauseBefore: {} })).toEqual([
      '/phases NOT_AN_OBJECT',
      '/pauseBefore NOT_A_LIST',
    ]);
    const check = { name: 'same', kind: 'sql', sql: '', expect: '1' };
    expect(codes({ name: 'a', version: 1, checks: [check, { ...check, sql: 'select 1' }] })).toEqual([
      '/checks/0/sql NOT_A_TEXT',
      '/checks/1/name DUPLICATE_CHECK',
    ]);
  });
});
