import { describe, expect, it } from 'vitest';
import type { Fact } from './facts.js';
import type { Resembled } from './fidelity.js';
import { fidelity } from './fidelity.js';

function cluster(facts: readonly Fact[], change: Partial<Resembled> = {}): Resembled {
  const node = { node: 'a', collectedAt: '2026-03-01T10:00:00Z', facts, missing: [] };
  return { platform: 'postgres-streaming', members: 2, collected: { nodes: [node], activeNode: 'a' }, ...change };
}
const version = (value: string): Fact => ({ area: 'version', name: 'postgresql', value });
const settings = (count: number, value: string): readonly Fact[] =>
  Array.from({ length: count }, (_, i) => ({ area: 'setting', name: `setting_${String(i).padStart(2, '0')}`, value }));

describe('fidelity of a lab', () => {
  it('is 100 for a twin', () => {
    expect(fidelity(cluster([version('17.9')]), cluster([version('17.9')]))).toEqual({ score: 100, reasons: [] });
  });
  it('falls with each area, and says what costs most first', () => {
    const lab = cluster([version('17.10'), ...settings(8, 'x')], { members: 1 });
    const production = cluster([version('17.9'), ...settings(7, 'y')]);
    expect(fidelity(lab, production)).toEqual({
      score: 45,
      reasons: [
        'version: 1 of 1 differ (postgresql)',
        'setting: 8 of 8 differ (setting_00, setting_01, setting_02, setting_03, setting_04 and 3 more)',
        'nodes: 1 in the lab, 2 in production',
      ],
    });
  });
  it('compares platforms, and a cluster without nodes resembles nothing', () => {
    expect(fidelity(cluster([], { platform: 'simulated', members: 0 }), cluster([], { members: 0 }))).toEqual({
      score: 80,
      reasons: ['platform: simulated in the lab, postgres-streaming in production', 'nodes: 0 in the lab, 0 in production'],
    });
  });
  it('leaves out what every node has for itself, and secrets', () => {
    const own = (port: string): readonly Fact[] => [
      { area: 'setting', name: 'port', value: port },
      { area: 'setting', name: 'token', value: `hash-${port}`, secret: true },
    ];
    expect(fidelity(cluster(own('1')), cluster(own('2'))).score).toBe(100);
  });
  it('counts what could not be seen as not alike', () => {
    const blind = cluster([], { collected: { nodes: [], activeNode: '' } });
    expect(fidelity(blind, cluster([])).reasons[0]).toBe('version: not compared, no serving node was seen in the lab');
    expect(fidelity(cluster([]), blind)).toMatchObject({ score: 20 });
    expect(fidelity(cluster([]), blind).reasons[0]).toContain('in production');
  });
});
