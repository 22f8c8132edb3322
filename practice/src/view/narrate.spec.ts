import { describe, expect, it } from 'vitest';
import type { RecordedEvent } from '../rest/documents.js';
import { LiveView } from './live.js';
import { Narrator } from './narrate.js';

let position = 0;
function event(type: string, body: Record<string, unknown>): RecordedEvent {
  position += 1;
  return { position, version: position, type, time: '2026-01-01T00:00:00.000Z', body };
}

const steps = [
  { stepId: '01-switchover-b', kind: 'switchover', phase: 'switchover-test', node: 'b' },
  { stepId: '02-patch-b', kind: 'patch', phase: 'standby', node: 'b', toVersion: '17.10' },
];
const planned = event('RolloutPlanned', { plan: { steps, order: [{ node: 'b' }, { node: 'a' }] }, noPlanBecause: null });

describe('telling what happens', () => {
  it('names phase, step, duration and what clients waited', () => {
    const narrator = new Narrator();
    expect(narrator.tell(planned)[0]?.text).toBe('planned: 2 steps, patched in the order b, a');
    narrator.tell(event('StepRequested', { stepId: '01-switchover-b', at: '2026-01-01T00:00:01.000Z' }));
    expect(narrator.now()).toEqual({ phase: 'switchover test', step: 'switch over to b' });
    const [line] = narrator.tell(
      event('StepSucceeded', {
        stepId: '01-switchover-b',
        at: '2026-01-01T00:00:01.400Z',
        interruption: { measured: true, longestMs: 78.4 },
      }),
    );
    expect(line).toMatchObject({ tone: 'good', phase: 'switchover test' });
    expect(line?.text).toMatch(/^switch over to b +0\.4 s {3}clients waited 78 ms$/);
    expect(narrator.now().step).toBeNull();
  });

  it('tells a closed gate once until its answer changes', () => {
    const narrator = new Narrator();
    const closed = event('GateEvaluated', {
      gate: 'drift',
      status: 'closed',
      requirement: 'required',
      reason: 'b would not serve',
    });
    expect(narrator.tell(closed)).toEqual([{ tone: 'bad', phase: 'gates', text: 'gate drift closed: b would not serve' }]);
    expect(narrator.tell(closed)).toEqual([]);
    narrator.tell(event('GateEvaluated', { gate: 'drift', status: 'open', requirement: 'required', reason: '' }));
    expect(narrator.tell(event('RolloutAdmitted', {}))[0]?.text).toBe('admitted; open: drift');
    expect(narrator.tell(closed)).toHaveLength(1);
  });

  it('says when another start has taken over, and nothing of the first', () => {
    const narrator = new Narrator();
    narrator.tell(planned);
    expect(narrator.tell(event('RolloutAdopted', {}))).toEqual([]);
    expect(narrator.tell(event('RolloutAdopted', {}))[0]?.text).toMatch(/^taken over by the next start/);
  });

  it('says a failure with its reason, and nothing about events it does not know', () => {
    const narrator = new Narrator();
    narrator.tell(planned);
    const [line] = narrator.tell(
      event('StepFailed', { stepId: '02-patch-b', at: '2026-01-01T00:00:01.000Z', reason: 'does not start' }),
    );
    expect(line).toEqual({ tone: 'bad', phase: 'patch the standby', text: 'patch b to 17.10 failed: does not start' });
    expect(narrator.tell(event('SomethingNew', {}))).toEqual([]);
  });
});

describe('the live view', () => {
  it('writes plain lines where there is no terminal', () => {
    const written: string[] = [];
    const view = new LiveView({ write: (text) => written.push(text) }, () => 'moving');
    view.start();
    view.event({ tone: 'good', phase: 'preflight', text: 'preflight' });
    view.event({ tone: 'good', phase: 'preflight', text: 'start probe' });
    view.stop();
    const all = written.join('');
    expect(all).not.toContain('\x1b');
    expect(all).not.toContain('moving');
    expect(all.split('\n')[0]).toMatch(/^ +\d+\.\d s {2}preflight +\+ preflight$/);
    expect(all.split('\n')[1]).toMatch(/^ +\d+\.\d s {20,}\+ start probe$/);
  });

  it('keeps one moving line below on a terminal, and takes it away at the end', () => {
    const written: string[] = [];
    const view = new LiveView({ write: (text) => written.push(text), isTTY: true, columns: 40 }, () => 'a'.repeat(100));
    view.start();
    view.event({ tone: 'plain', phase: 'gates', text: 'planned' });
    expect(written.at(-1)).toContain('aaa');
    expect(written.at(-1)?.replaceAll(/\x1b\[\d*[mK]|\r/g, '').length).toBe(39);
    view.stop();
    expect(written.at(-1)).toBe('\r\x1b[2K');
  });
});
