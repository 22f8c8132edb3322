import { describe, expect, it } from 'vitest';
import { Owner, plannedOf, World } from './fixtures/contract.js';
import { reportOf } from './report.js';
import { readdirSync, readFileSync } from 'node:fs';
import type { RolloutEvent } from './rollout.js';

describe('the report', () => {
  const owner = new Owner({ world: new World(2), planned: plannedOf() });
  owner.run();

  it('says what happened, from the recorded events alone', () => {
    const report = reportOf(owner.log);
    expect(report).toMatchObject({
      rolloutId: 'r-1',
      cluster: 'pair',
      status: 'closed',
      result: 'succeeded',
      approvedBy: null,
      ticket: null,
      versionsBefore: { a: { postgresql: '17.9' }, b: { postgresql: '17.9' } },
      versionsAfter: { a: { postgresql: '17.10' }, b: { postgresql: '17.10' } },
      interruption: { measured: true },
      deviations: [],
      remains: [],
    });
    expect(report?.tookMs).toBe(Date.parse(owner.state.closed?.at ?? '') - Date.parse(owner.state.admitted?.at ?? ''));
    expect(report?.steps.find((step) => step.stepId === '09-reboot-b')).toMatchObject({
      status: 'skipped',
      tookMs: null,
      attempts: 0,
    });
    expect(report?.steps.find((step) => step.stepId === '12-soak-b')?.tookMs).toBeGreaterThanOrEqual(1_000);
    expect(report?.notRequired).toContainEqual(expect.stringContaining('Gate approval is off in practice'));
    expect(report?.gates.map((gate) => gate.gate)).toContain('drift');
  });

  it('is honest about one that has not ended, or was refused without a plan', () => {
    expect(reportOf([])).toBeUndefined();
    expect(reportOf(owner.log.slice(0, 1))).toMatchObject({
      status: 'planned',
      result: null,
      tookMs: null,
      versionsBefore: {},
      interruption: { measured: false },
    });
    expect(reportOf(owner.log.slice(0, 30))).toMatchObject({ tookMs: null, acceptedRisks: [expect.any(String)] });
    expect(reportOf([{ type: 'RolloutPlanned', data: plannedOf({ plan: null, noPlanBecause: 'no standby' }) }])).toMatchObject({
      order: [],
      story: [{ what: 'Planned by ada: no plan, no standby.' }],
    });
  });

  it('has a sentence for every kind of event', () => {
    const folder = new URL('./samples/', import.meta.url);
    const events = readdirSync(folder).map((file) => JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as RolloutEvent);
    const planned = events.filter((event) => event.type === 'RolloutPlanned');
    const report = reportOf([...planned, ...events.filter((event) => event.type !== 'RolloutPlanned')]);
    expect(report?.story.every((line) => line.what.length > 5)).toBe(true);
    expect(report).toMatchObject({ approvedBy: 'bob', ticket: 'CHG0030001', breaches: [17] });
    const adopted: RolloutEvent = {
      type: 'StepSucceeded',
      data: { stepId: '01-start-probe', attempt: 1, at: '2026-03-01T20:00:00.000Z', evidence: {}, adopted: true },
    };
    const rejected: RolloutEvent = {
      type: 'TicketRecorded',
      data: { ticketId: 't', number: 'CHG1', approver: '', approved: false, expiresAt: null, reason: null },
    };
    const thawed: RolloutEvent = { type: 'RolloutResumed', data: { by: 'ada', as: 'held', at: '2026-03-01T20:00:00.000Z' } };
    expect(
      reportOf([...planned, adopted, rejected, thawed])
        ?.story.slice(1)
        .map((line) => line.what),
    ).toEqual([
      '01-start-probe succeeded (found done after a restart).',
      'Ticket CHG1 is not approved.',
      'Resumed by ada: the freeze has ended, what was held stays held.',
    ]);
  });
});
