import { fold } from '@understudy/decider';
import { describe, expect, it } from 'vitest';
import { clustersOf, isListening, matches, severityOf, subscriptionDecider } from '../index.js';
import type { SubscriptionCommand, SubscriptionDocument, SubscriptionEvent, SubscriptionFilter } from '../index.js';

const filter: SubscriptionFilter = { types: ['understudy.orchestrator.*'], clusters: [], leastSeverity: 'info' };
const document: SubscriptionDocument = { description: '', channel: 'webhook', url: 'https://a.example/x', filter, enabled: true };
const created: SubscriptionEvent = { type: 'SubscriptionCreated', data: { subscriptionId: 's', document } };
const removed: SubscriptionEvent = { type: 'SubscriptionRemoved', data: {} };
const disabled: SubscriptionEvent = { type: 'SubscriptionDisabled', data: { reason: '410' } };

const state = (...events: SubscriptionEvent[]) => fold(subscriptionDecider, events);
const when = (events: SubscriptionEvent[], command: SubscriptionCommand) => subscriptionDecider.decide(command, state(...events));
const codes = (decision: ReturnType<typeof when>) =>
  decision.accepted ? decision.events.map(({ type }) => type) : [decision.kind, ...decision.refusals.map(({ code }) => code)];

describe('a subscription', () => {
  it('is created once', () => {
    expect(when([], { type: 'create', subscriptionId: 's', document })).toEqual({ accepted: true, events: [created] });
    expect(codes(when([created], { type: 'create', subscriptionId: 's', document }))).toEqual([
      'conflict',
      'SUBSCRIPTION_EXISTS',
    ]);
    expect(codes(when([removed], { type: 'create', subscriptionId: 's', document }))).toEqual(['SubscriptionCreated']);
  });
  it('refuses types that nobody publishes, with the place of each', () => {
    const wrong = { ...document, filter: { ...filter, types: ['understudy.drift.*', 'understudy.drfit.*', 'x'] } };
    const decision = when([], { type: 'create', subscriptionId: 's', document: wrong });
    expect(!decision.accepted && decision.refusals.map(({ pointer }) => pointer)).toEqual(['/filter/types/1', '/filter/types/2']);
    expect(codes(when([created], { type: 'change', document: wrong, expectedVersion: undefined }))[0]).toBe('invalid');
  });
  it('changes only at the version that was seen', () => {
    expect(codes(when([created], { type: 'change', document, expectedVersion: 1 }))).toEqual(['SubscriptionChanged']);
    expect(codes(when([created], { type: 'change', document, expectedVersion: 2 }))).toEqual([
      'precondition',
      'VERSION_MISMATCH',
    ]);
    expect(codes(when([created], { type: 'remove', expectedVersion: 2 }))).toEqual(['precondition', 'VERSION_MISMATCH']);
    expect(codes(when([created], { type: 'remove', expectedVersion: undefined }))).toEqual(['SubscriptionRemoved']);
  });
  it('is not there before it is created nor after it was removed', () => {
    for (const events of [[], [created, removed]]) {
      expect(codes(when(events, { type: 'rotate-secret' }))).toEqual(['not-found', 'SUBSCRIPTION_UNKNOWN']);
    }
    expect(state(created, removed, disabled)).toEqual({ status: 'removed' });
  });
  it('is switched off once by a receiver that is gone, and on again by a change', () => {
    expect(codes(when([created], { type: 'disable', reason: '410' }))).toEqual(['SubscriptionDisabled']);
    expect(codes(when([created, disabled], { type: 'disable', reason: '410' }))).toEqual([]);
    const off: SubscriptionEvent = { type: 'SubscriptionChanged', data: { document: { ...document, enabled: false } } };
    expect(codes(when([created, off], { type: 'disable', reason: '410' }))).toEqual([]);
    const changed: SubscriptionEvent = { type: 'SubscriptionChanged', data: { document } };
    expect(
      [state(), state(created), state(created, disabled), state(created, disabled, changed), state(created, off)].map(
        isListening,
      ),
    ).toEqual([false, true, false, true, false]);
  });
  it('counts the generations of its secret', () => {
    const first = when([created], { type: 'rotate-secret' });
    expect(first).toEqual({ accepted: true, events: [{ type: 'SecretRotated', data: { generation: 2 } }] });
    expect(state(created, { type: 'SecretRotated', data: { generation: 2 } })).toMatchObject({ secretGeneration: 2, version: 2 });
  });
});

describe('what a subscription hears', () => {
  const closed = (result: string, cluster = 'orders') => ({
    type: 'understudy.orchestrator.rollout-closed.v1',
    data: { result, cluster },
  });
  it('goes by type, exact or by prefix; none = all', () => {
    expect(matches(filter, closed('failed'))).toBe(true);
    expect(matches({ ...filter, types: [closed('').type] }, closed('failed'))).toBe(true);
    expect(matches({ ...filter, types: ['understudy.drift.*'] }, closed('failed'))).toBe(false);
    expect(matches({ ...filter, types: [] }, closed('failed'))).toBe(true);
  });
  it('goes by cluster, wherever the payload names it', () => {
    const only = { ...filter, types: [], clusters: ['orders'] };
    const event = (data: unknown) => ({ type: 'understudy.inventory.cluster-registered.v1', data });
    expect(matches(only, closed('failed'))).toBe(true);
    expect(matches(only, closed('failed', 'billing'))).toBe(false);
    expect(matches(only, event({ cluster: { slug: 'orders' } }))).toBe(true);
    expect(matches(only, event({ finding: { cluster: 'orders' } }))).toBe(true);
    expect(matches(only, event({ clusters: ['billing', 'orders', 7] }))).toBe(true);
    expect(matches(only, event({ windowId: 'w' }))).toBe(false);
    expect([event(null), event([1]), event('x')].map(clustersOf)).toEqual([[], [], []]);
  });
  it('goes by severity', () => {
    expect(matches({ ...filter, leastSeverity: 'warning' }, closed('succeeded'))).toBe(false);
    expect(matches({ ...filter, leastSeverity: 'warning' }, closed('refused'))).toBe(true);
    expect(matches({ ...filter, leastSeverity: 'critical' }, closed('refused'))).toBe(false);
    expect(matches({ ...filter, leastSeverity: 'critical' }, closed('needs-attention'))).toBe(true);
  });
  it.each([
    ['orchestrator.rollout-changed', { change: 'held' }, 'warning'],
    ['orchestrator.rollout-changed', { change: 'invariant-breached' }, 'critical'],
    ['orchestrator.rollout-changed', { change: 'admitted' }, 'info'],
    ['orchestrator.window-changed', { change: 'window-held' }, 'warning'],
    ['orchestrator.window-changed', { change: 'rollouts-given-up' }, 'warning'],
    ['orchestrator.window-changed', { change: 'wave-begun' }, 'info'],
    ['orchestrator.step-changed', { status: 'failed' }, 'warning'],
    ['orchestrator.step-changed', { status: 'unknown' }, 'warning'],
    ['orchestrator.step-changed', { status: 'succeeded' }, 'info'],
    ['drift.finding-opened', { finding: { severity: 'blocking' } }, 'critical'],
    ['drift.finding-opened', { finding: { severity: 'warning' } }, 'warning'],
    ['inventory.facts-collected', {}, 'info'],
  ])('%s %o is %s', (name, data, severity) => {
    expect(severityOf({ type: `understudy.${name}.v1`, data })).toBe(severity);
  });
});
