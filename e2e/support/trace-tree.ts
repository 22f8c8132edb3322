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

/** Everything that followed from a trace, joined by span links alone: what shares a trace id is one node, and no ids are guessed. */
export function followLinks(spans: readonly ReceivedSpan[], traceId: string): LinkedTraces {
  const traces = new Map<string, ReceivedSpan[]>();
  for (const span of spans) traces.set(span.traceId, [...(traces.get(span.traceId) ?? []), span]);
  const children = new Map<string, string[]>();
  const byBeginning = [...traces].sort(([, a], [, b]) => compare(rootOf(a).startNs, rootOf(b).startNs));
  for (const [id, members] of byBeginning) {
    const led = members
      .flatMap((span) => span.links.map((link) => link.traceId))
      .filter((other) => other !== id && traces.has(other));
    const [first] = led;
    if (first !== undefined) children.set(first, [...(children.get(first) ?? []), id]);
  }
  const seen = new Set<string>();
  const node = (id: string): LinkedTraces => {
    seen.add(id);
    const members = traces.get(id) ?? [];
    const next = (children.get(id) ?? []).filter((child) => !seen.has(child)).map(node);
    return {
      traceId: id,
      root: rootOf(members),
      services: [...new Set(members.map((span) => span.service))],
      spans: members.length,
      next,
    };
  };
  if (!traces.has(traceId)) throw new Error(`No span of the trace ${traceId} was received.`);
  return node(traceId);
}

/** All services on the way. */
export function servicesOf(tree: LinkedTraces): readonly string[] {
  return [...new Set([...tree.services, ...tree.next.flatMap(servicesOf)])].sort();
}

/** One line per trace, indented by what it links to. */
export function printLinks(tree: LinkedTraces, depth = 0): readonly string[] {
  const ms = Number(tree.root.endNs - tree.root.startNs) / 1e6;
  const services = tree.services.map((name) => name.replace('understudy-', '')).join('+');
  const line = `${'  '.repeat(depth)}${tree.root.name}  [${services}]  ${ms.toFixed(1)} ms, ${tree.spans} spans, ${tree.traceId.slice(0, 8)}`;
  return [line, ...tree.next.flatMap((child) => printLinks(child, depth + 1))];
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
