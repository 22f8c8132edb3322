import { fold } from '@understudy/decider';
import { describe, expect, it } from 'vitest';
import type { ClusterCommand, NodeFacts } from './cluster.js';
import { ANSWERED_REQUESTS_KEPT } from './cluster.js';
import { clusterDecider } from './decide.js';
import { NOW, after, debt, given, look, node, observe, patchSet, registered } from './fixtures/contract.js';

const collected = (value: string, collectedAt = '2026-03-01T10:00:00Z'): readonly NodeFacts[] => [
  { node: 'a', collectedAt, facts: [{ area: 'setting', name: 'max_connections', value }], missing: [] },
];

describe('facts', () => {
  const record = (requestId: string, value = '100', collectedAt?: string): ClusterCommand => ({
    type: 'record-facts',
    requestId,
    nodes: collected(value, collectedAt),
    activeNode: 'a',
  });

  it('are written by schedule when they changed, not when only the time did', () => {
    const log = after([registered], record(''));
    expect(log.at(-1)).toEqual({
      type: 'FactsCollected',
      body: { cluster: 'orders', requestId: '', nodes: collected('100'), activeNode: 'a' },
    });
    given(...log)
      .when(record('', '100', '2026-03-01T11:00:00Z'))
      .then();
    given(...log)
      .when(record('', '90'))
      .thenTypes('FactsCollected');
  });
  it('are written once for each request', () => {
    const log = after([registered], record(''), record('r-1'));
    expect(log).toHaveLength(3);
    given(...log)
      .when(record('r-1', '90'))
      .then();
  });
  it('remember a bounded number of requests', () => {
    const many = Array.from({ length: ANSWERED_REQUESTS_KEPT + 5 }, (_, i) => record(`r-${i}`));
    const state = fold(clusterDecider, after([registered], ...many)) as { answered: readonly string[] };
    expect(state.answered).toHaveLength(ANSWERED_REQUESTS_KEPT);
    expect(state.answered.at(-1)).toBe(`r-${ANSWERED_REQUESTS_KEPT + 4}`);
  });
});

describe('debt', () => {
  const seen = after([registered], observe(look([node('a'), node('b')])));

  it('counts whole days from the publication, per node', () => {
    const expected = (slug: string) => ({
      type: 'DebtAssessed',
      body: {
        cluster: 'orders',
        node: slug,
        patchSetId: 'ps-1',
        advisories: ['CVE-1'],
        availableSince: '2026-03-01T00:00:00Z',
        days: 9,
        settled: false,
      },
    });
    given(...seen)
      .when(debt(NOW))
      .then(expected('a'), expected('b'));
  });
  it('is written once a day', () => {
    const log = after(seen, debt(NOW));
    given(...log)
      .when(debt(NOW + 3_600_000))
      .then();
    given(...log)
      .when(debt(NOW + 86_400_000))
      .thenTypes('DebtAssessed', 'DebtAssessed');
  });
  it('is paid when the node runs the version; installed and not restarted is not enough', () => {
    const log = after(seen, debt(NOW));
    const installed = look([node('a', { versions: { postgresql: { installed: '17.10', running: '17.9' } } }), node('b')]);
    expect(given(...after(log, observe(installed))).when(debt(NOW)).events).toEqual([]);
    const running = look([node('a', { versions: { postgresql: { installed: '17.10', running: '17.10' } } }), node('b')]);
    const paid = after(log, observe(running), debt(NOW));
    expect(paid.at(-1)).toMatchObject({ type: 'DebtAssessed', body: { node: 'a', settled: true } });
    given(...paid)
      .when(debt(NOW + 86_400_000))
      .thenTypes('DebtAssessed');
    given(...after(paid, observe(look([node('a'), node('b')]))))
      .when(debt(NOW))
      .thenTypes('DebtAssessed');
  });
  it('is no news for a patch set older than what runs, nor where the item is not there or its version unknown', () => {
    given(...seen)
      .when(debt(NOW, { ...patchSet, items: [{ name: 'postgresql', targetVersion: '17.2' }] }))
      .then();
    given(...seen)
      .when(debt(NOW, { ...patchSet, items: [{ name: 'openssl', targetVersion: '3' }] }))
      .then();
    const mute = after(
      [registered],
      observe(look([node('a', { versions: { postgresql: { installed: null, running: null } } })])),
    );
    given(...mute)
      .when(debt(NOW))
      .then();
  });
  it('judges a node that is down by what is installed, and a fix that is not out yet as no day', () => {
    const down = after(
      [registered],
      observe(look([node('a', { versions: { postgresql: { installed: '17.9', running: null } } })])),
    );
    const [event] = given(...down).when(debt(Date.parse('2026-02-01T00:00:00Z'))).events;
    expect(event).toMatchObject({ body: { days: 0, settled: false } });
  });
  it('follows a corrected publication date, and nothing was seen where nobody looked', () => {
    given(...after(seen, debt(NOW)))
      .when(debt(NOW, { ...patchSet, publishedAt: '2026-03-01T01:00:00Z' }))
      .thenTypes('DebtAssessed', 'DebtAssessed');
    given(registered).when(debt(NOW)).then();
  });
});
