import { ProxyTracerProvider, trace } from '@opentelemetry/api';
import type { Attributes } from '@opentelemetry/api';

const FLUSH_LIMIT_MS = 3_000;

/** Before a process ends: what a preloaded SDK has not sent yet goes out now, within 3 s. Without an SDK there is nothing. */
export async function flushTraces(): Promise<void> {
  const provider = trace.getTracerProvider();
  const real: unknown = provider instanceof ProxyTracerProvider ? provider.getDelegate() : provider;
  if (!canFlush(real)) return;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, FLUSH_LIMIT_MS);
  });
  await Promise.race([real.forceFlush().catch(() => undefined), late]);
  clearTimeout(timer);
}

/** Says of the span that a door's instrumentation began what it is about, in few words: never with an id in it. */
export function nameSpan(name: string, attributes: Attributes): void {
  const span = trace.getActiveSpan();
  span?.updateName(name);
  span?.setAttributes(attributes);
}

function canFlush(provider: unknown): provider is { forceFlush(): Promise<void> } {
  return typeof (provider as { readonly forceFlush?: unknown } | null)?.forceFlush === 'function';
}
