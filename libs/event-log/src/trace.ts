/**
 * Trace context, kept with every event so that a story can be followed over logs, buses and restarts. Only the API of OpenTelemetry
 * is used: without a preloaded SDK every call here does nothing.
 */
import { context, isSpanContextValid, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import type { Attributes, Link, Span, SpanContext } from '@opentelemetry/api';

const TRACER = 'understudy';
const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;
/** Messages of one batch that are linked to; more would make a span that nobody reads. */
const MOST_LINKS = 100;

/** Where this code runs, as W3C `traceparent`; undefined = nobody traces. */
export function activeTraceparent(): string | undefined {
  const span = trace.getActiveSpan();
  return span === undefined ? undefined : traceparentOfSpan(span.spanContext());
}

export interface NewTrace {
  readonly name: string;
  readonly kind?: 'internal' | 'producer' | 'consumer';
  /** `traceparent`s of what led to this; what is not one is passed over. */
  readonly after: readonly (string | undefined)[];
  readonly attributes?: Attributes;
}

const KINDS = { internal: SpanKind.INTERNAL, producer: SpanKind.PRODUCER, consumer: SpanKind.CONSUMER };

/** A trace that lasts longer than one call: what runs `within` it belongs to it. */
export class LinkedTrace {
  private readonly span: Span;
  private readonly linked: Set<string>;

  constructor({ name, kind = 'internal', after, attributes = {} }: NewTrace) {
    const links = after.map(linkTo).filter((link) => link !== undefined);
    const options = { root: true, kind: KINDS[kind], links: links.slice(0, MOST_LINKS), attributes };
    this.span = trace.getTracer(TRACER).startSpan(name, options, ROOT_CONTEXT);
    this.linked = new Set(links.map(({ context: { traceId } }) => traceId));
  }

  within<T>(work: () => T): T {
    return context.with(trace.setSpan(ROOT_CONTEXT, this.span), work);
  }

  /** Something else led here too; its own and known traces are passed over. */
  alsoAfter(traceparent: string | undefined): void {
    const link = linkTo(traceparent);
    if (link === undefined || link.context.traceId === this.span.spanContext().traceId || this.linked.has(link.context.traceId))
      return;
    this.linked.add(link.context.traceId);
    this.span.addLink(link);
  }

  set(attributes: Attributes): void {
    this.span.setAttributes(attributes);
  }

  /** `problem`: why it failed, for people. */
  end(problem?: string): void {
    if (problem !== undefined) this.span.setStatus({ code: SpanStatusCode.ERROR, message: problem });
    this.span.end();
  }
}

/** Runs work as a trace of its own, linked to what led to it. Throws what the work throws. */
export async function inNewTrace<T>(begin: NewTrace, work: () => Promise<T>): Promise<T> {
  const linked = new LinkedTrace(begin);
  try {
    const result = await linked.within(work);
    linked.end();
    return result;
  } catch (error) {
    linked.end(error instanceof Error ? error.message : String(error));
    throw error;
  }
}

/** Runs work as a part of the trace that is going on. */
export function inSpan<T>(name: string, attributes: Attributes, work: () => Promise<T>): Promise<T> {
  return trace.getTracer(TRACER).startActiveSpan(name, { attributes }, async (span) => {
    try {
      return await work();
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) });
      throw error;
    } finally {
      span.end();
    }
  });
}

function traceparentOfSpan(spanContext: SpanContext): string | undefined {
  if (!isSpanContextValid(spanContext)) return undefined;
  const { traceId, spanId, traceFlags } = spanContext;
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
}

function linkTo(traceparent: string | undefined): Link | undefined {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(traceparent ?? '') ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  return { context: { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true } };
}
