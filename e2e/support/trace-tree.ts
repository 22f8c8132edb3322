import type { ReceivedSpan } from './otlp.js';

/** A trace and the traces that link to it. */
export interface LinkedTraces {
  readonly traceId: string;
  /** The first span of it without a parent among what was received. */
  readonly root: ReceivedSpan;
  /** Services that have a span in this trace itself. */
  readonly services: readonly string[];
  readonly spans: number;
  /** In the order of their beginning; a trace stands below the first one that it links to. */
  readonly next: readonly LinkedTraces[];
}

/**
 * Everything that followed from a trace, joined by span links alone: what shares a trace id is one node, and no ids are guessed. A
 * link says what came before, so a trace is looked at after those that began earlier, and stands below the first of them that it
 * links to and that is in the tree.
 */
export function followLinks(spans: readonly ReceivedSpan[], traceId: string): LinkedTraces {
  const traces = new Map<string, ReceivedSpan[]>();
  for (const span of spans) traces.set(span.traceId, [...(traces.get(span.traceId) ?? []), span]);
  if (!traces.has(traceId)) throw new Error(`No span of the trace ${traceId} was received.`);
  const byBeginning = [...traces].sort(([, a], [, b]) => compare(rootOf(a).startNs, rootOf(b).startNs));
  const below = new Map<string, string[]>([[traceId, []]]);
  for (const [id, members] of byBeginning) {
    const inOrder = [...members].sort((a, b) => compare(a.startNs, b.startNs));
    const before = inOrder.flatMap((span) => span.links.map((link) => link.traceId)).find((other) => below.has(other));
    if (before === undefined || below.has(id)) continue;
    below.get(before)?.push(id);
    below.set(id, []);
  }
  const node = (id: string): LinkedTraces => {
    const members = traces.get(id) ?? [];
    const services = [...new Set(members.map((span) => span.service))];
    return { traceId: id, root: rootOf(members), services, spans: members.length, next: (below.get(id) ?? []).map(node) };
  };
  return node(traceId);
}

/** All services on the way. */
export function servicesOf(tree: LinkedTraces): readonly string[] {
  return [...new Set([...tree.services, ...tree.next.flatMap(servicesOf)])].sort();
}

/** One line per trace, indented by what it links to; siblings alike that led to nothing share a line. */
export function printLinks(tree: LinkedTraces, depth = 0): readonly string[] {
  const ms = Number(tree.root.endNs - tree.root.startNs) / 1e6;
  const line = `${'  '.repeat(depth)}${titleOf(tree)}  ${ms.toFixed(1)} ms, ${tree.spans} spans, ${tree.traceId.slice(0, 8)}`;
  return [line, ...runsOf(tree.next).flatMap((alike) => printRun(alike, depth + 1))];
}

function printRun(alike: readonly LinkedTraces[], depth: number): readonly string[] {
  const [first] = alike;
  if (first === undefined) return [];
  return alike.length === 1 ? printLinks(first, depth) : [`${'  '.repeat(depth)}${titleOf(first)}  ${alike.length} times`];
}

/** Siblings alike that led to nothing are together, where the first of them stands; each other is alone. */
function runsOf(siblings: readonly LinkedTraces[]): readonly (readonly LinkedTraces[])[] {
  const runs = new Map<string, LinkedTraces[]>();
  for (const tree of siblings) {
    const name = tree.next.length === 0 ? titleOf(tree) : tree.traceId;
    runs.set(name, [...(runs.get(name) ?? []), tree]);
  }
  return [...runs.values()];
}

function titleOf({ root, services }: LinkedTraces): string {
  return `${root.name}  [${services.map((name) => name.replace('understudy-', '')).join('+')}]`;
}

function rootOf(members: readonly ReceivedSpan[]): ReceivedSpan {
  const known = new Set(members.map((span) => span.spanId));
  const roots = members.filter((span) => span.parentSpanId === undefined || !known.has(span.parentSpanId));
  const [first] = roots.sort((a, b) => compare(a.startNs, b.startNs));
  if (first === undefined) throw new Error('A trace without spans.');
  return first;
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
