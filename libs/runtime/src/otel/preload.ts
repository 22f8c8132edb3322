/**
 * OpenTelemetry for any of our processes, by Node's option and by nothing else:
 *
 *     OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318 \
 *       node --import ./libs/runtime/dist/otel/preload.js services/orchestrator/dist/main.js
 *
 * On when an endpoint is named by OpenTelemetry's own variables and OTEL_SDK_DISABLED is not `true`. Traces go out as OTLP over HTTP
 * (JSON); metrics are Prometheus's at /metrics. Spans of SQL hold statements without values; what looks like a secret, or is one
 * that was resolved, is blotted out of every attribute before it leaves.
 */
import { register } from 'node:module';
import { basename, dirname } from 'node:path';
import type { ReadableSpan, SpanProcessor } from '@opentelemetry/sdk-trace-base';

const { OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_SDK_DISABLED } = process.env;
const wanted = (OTEL_EXPORTER_OTLP_ENDPOINT ?? OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ?? '') !== '' && OTEL_SDK_DISABLED !== 'true';

if (wanted) {
  // First of all: what is imported after this can be instrumented.
  register('@opentelemetry/instrumentation/hook.mjs', import.meta.url);
  await startTracing();
}

/** `services/drift/dist/main.js` is `understudy-drift`. */
function serviceName(): string {
  return `understudy-${basename(dirname(dirname(process.argv[1] ?? 'process/dist/main.js')))}`;
}

async function startTracing(): Promise<void> {
  const [sdk, exporter, tracing, resources, http, grpc, pg, { redactText }] = await Promise.all([
    import('@opentelemetry/sdk-node'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/sdk-trace-base'),
    import('@opentelemetry/resources'),
    import('@opentelemetry/instrumentation-http'),
    import('@opentelemetry/instrumentation-grpc'),
    import('@opentelemetry/instrumentation-pg'),
    import('../redaction.js'),
  ]);
  const instance = process.env['INSTANCE_ID'];
  new sdk.NodeSDK({
    serviceName: process.env['OTEL_SERVICE_NAME'] ?? serviceName(),
    resource: resources.resourceFromAttributes({
      'service.namespace': 'understudy',
      'process.pid': process.pid,
      ...(instance === undefined ? {} : { 'service.instance.id': instance }),
    }),
    autoDetectResources: false,
    spanProcessors: [redactor(redactText), new tracing.BatchSpanProcessor(new exporter.OTLPTraceExporter())],
    metricReaders: [],
    logRecordProcessors: [],
    instrumentations: [
      new http.HttpInstrumentation({
        ignoreIncomingRequestHook: ({ url = '' }) => /^\/(health\/|metrics)/.test(url),
        requireParentforOutgoingSpans: true,
      }),
      new grpc.GrpcInstrumentation({ ignoreGrpcMethods: [/^Check$/, /^Watch$/, /^ServerReflectionInfo$/] }),
      // Relays and projections look at the log ten times a second: only what belongs to a story is told.
      new pg.PgInstrumentation({ requireParentSpan: true }),
    ],
  }).start();
}

function redactor(redact: (text: string) => string): SpanProcessor {
  return {
    onStart: () => undefined,
    onEnd: (span: ReadableSpan) => {
      for (const [name, value] of Object.entries(span.attributes))
        if (typeof value === 'string') span.attributes[name] = redact(value);
      if (span.status.message !== undefined) span.status.message = redact(span.status.message);
    },
    forceFlush: () => Promise.resolve(),
    shutdown: () => Promise.resolve(),
  };
}
