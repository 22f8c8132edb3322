/** One window as a tree of traces: spans of four processes, exported over OTLP to one receiver, joined by their links alone. */
import { describe, expect, it } from 'vitest';
import { calmWindow, waitFor } from '../../support/distributed/index.js';
import { followLinks, printLinks, servicesOf, type LinkedTraces } from '../../support/trace-tree.js';

const EXPORTED_WITHIN_MS = 30_000;
const FOUR = ['drift', 'inventory', 'notification', 'orchestrator'].map((service) => `understudy-${service}`);

function tracesOf(tree: LinkedTraces): readonly string[] {
  return [tree.traceId, ...tree.next.flatMap(tracesOf)];
}

/** The trace that a W3C `traceparent` names. */
function traceOf(traceparent: unknown): string {
  const [, trace] = String(traceparent).split('-');
  if (trace === undefined) throw new Error(`Not a traceparent: ${String(traceparent)}`);
  return trace;
}

describe('the traces of one window', () => {
  const calm = calmWindow();

  it('are one tree from the request that scheduled it, and it crosses all four services', async () => {
    const { system, kafka, window, events } = calm();
    const { spans } = system;
    if (spans === undefined) throw new Error('The system is not traced.');
    const scheduled = kafka.records().find(({ id }) => id === `window/${window.windowId}/1`);
    const root = traceOf(scheduled?.traceparent);
    const recorded = new Map(
      events.map(({ type, version, metadata }) => [traceOf(metadata['traceparent']), `${version} ${type}`]),
    );
    const tree = await waitFor('a tree with every trace of the rollout and all four services', EXPORTED_WITHIN_MS, () => {
      const grown = followLinks(spans.spans(), root);
      const inTree = new Set(tracesOf(grown));
      const missing = [...recorded].filter(([trace]) => !inTree.has(trace)).map(([trace, event]) => `${event} (${trace})`);
      if (missing.length > 0) throw new Error(`Not in the tree, of ${recorded.size}: ${missing.join(', ')}.`);
      const services = servicesOf(grown);
      if (services.length < FOUR.length) throw new Error(`It crosses ${services.join(', ')}.`);
      return grown;
    });
    process.stdout.write(`${printLinks(tree).join('\n')}\n`);
    expect(servicesOf(tree)).toEqual(FOUR);
    expect(tree.root.name).toMatch(/\/v1\/windows/);
    // A new trace per step and per answer: the tree is many traces, not one.
    expect(recorded.size).toBeGreaterThan(20);
  });

  it('come from four processes, and no trace is shared by what was decided at different times', () => {
    const spans = calm().system.spans?.spans() ?? [];
    expect(new Set(spans.map(({ instance }) => instance)).size).toBe(FOUR.length);
    const ids = spans.map(({ traceId, spanId }) => `${traceId} ${spanId}`);
    expect(new Set(ids).size).toBe(ids.length);
  });
});
