/** The finished rollout, asked for as it was at any moment, is what its exported events amount to. */
import { foldExported, reportExported } from '@understudy/testing';
import { describe, expect, it } from 'vitest';
import { calmWindow, type RecordedEvent } from '../../support/distributed/index.js';

interface RolloutDocument {
  readonly version: number;
  readonly position: number;
  readonly state: unknown;
}

describe('the replay of a finished rollout', () => {
  const calm = calmWindow();
  let restarted = false;

  /** The export, by a process that knows the rollout from the log alone. */
  async function afterRestart(): Promise<{ readonly events: readonly RecordedEvent[]; readonly path: string }> {
    const { system, window } = calm();
    const { orchestrator } = system.stage.services;
    if (!restarted) {
      await orchestrator.stop();
      await orchestrator.start();
      restarted = true;
    }
    const path = `/v1/rollouts/${window.rolloutId}`;
    const ndjson = await system.rest.text(`${path}/events`, 'application/x-ndjson');
    const lines = ndjson.split('\n').filter((line) => line !== '');
    return { events: lines.map((line) => JSON.parse(line) as RecordedEvent), path };
  }

  it('exports the same events as before, in JSON and in NDJSON', async () => {
    const { events } = await afterRestart();
    expect(events).toEqual(calm().events);
    expect(events).toEqual(await calm().window.events());
  });

  it('gives at every position the fold of the events up to there', async () => {
    const { events, path } = await afterRestart();
    for (const [index, { position, version }] of events.entries()) {
      const told = await calm().system.rest.get<RolloutDocument>(`${path}?at=${position}`);
      expect({ version: told.version, position: told.position }).toEqual({ version, position });
      expect(told.state).toEqual(asJson(foldExported(events.slice(0, index + 1))));
    }
    const now = await calm().system.rest.get<RolloutDocument>(path);
    expect(now.state).toEqual(asJson(foldExported(events)));
  });

  it('gives at every time the fold of the events up to then', async () => {
    const { events, path } = await afterRestart();
    for (const time of new Set(events.map((event) => event.time))) {
      const told = await calm().system.rest.get<RolloutDocument>(`${path}?at=${encodeURIComponent(time)}`);
      const until = events.filter((event) => Date.parse(event.time) <= Date.parse(time));
      expect(told.version).toBe(until.length);
      expect(told.state).toEqual(asJson(foldExported(until)));
    }
  });

  it('gives the report of the events up to there', async () => {
    const { events, path } = await afterRestart();
    const { rest } = calm().system;
    for (const [index, { position }] of events.entries()) {
      if (index % 10 !== 0 && index !== events.length - 1) continue;
      const told = await rest.get<object>(`${path}/report?at=${position}`);
      expect(told).toEqual(unsigned(reportExported(events.slice(0, index + 1))));
    }
    expect(await rest.get<object>(`${path}/report`)).toEqual(unsigned(reportExported(events)));
    expect(await rest.get<unknown>(`${path}/verify`)).toMatchObject({ intact: true, events: events.length });
  });
});

/** A report as it comes over the wire. What signs the events stands beside what they say; nothing does here, where no key was given. */
function unsigned(report: object | undefined): unknown {
  return asJson({ ...report, checkpoint: null });
}

/** As it comes over the wire. */
function asJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
