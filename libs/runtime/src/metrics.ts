import { Histogram, Registry, collectDefaultMetrics } from 'prom-client';

const REQUEST_BUCKETS_SECONDS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

/** One Prometheus registry per process. Services add their own metrics with `registers: [metrics.registry]`, prefix `understudy_`. */
export class Metrics {
  readonly registry = new Registry();
  private readonly requests: Histogram<'method' | 'route' | 'status'>;
  private readonly calls: Histogram<'method' | 'code'>;

  constructor(service: string) {
    this.registry.setDefaultLabels({ service });
    collectDefaultMetrics({ register: this.registry });
    this.requests = new Histogram({
      name: 'http_server_request_duration_seconds',
      help: 'Time from the request line to the end of the answer, by declared route.',
      labelNames: ['method', 'route', 'status'],
      buckets: REQUEST_BUCKETS_SECONDS,
      registers: [this.registry],
    });
    this.calls = new Histogram({
      name: 'grpc_server_call_duration_seconds',
      help: 'Time from the metadata to the answer of a gRPC call, by method and status code; of a stream, when it fails.',
      labelNames: ['method', 'code'],
      buckets: REQUEST_BUCKETS_SECONDS,
      registers: [this.registry],
    });
  }

  /** `method` is the full name, `/understudy.inventory.v1.ClusterService/GetCluster`. */
  observeCall(method: string, code: number, seconds: number): void {
    this.calls.observe({ method, code }, seconds);
  }

  /** Where a metric of this name goes: a part that is started again in the same process begins its figures anew. */
  registersFor(name: string): Registry[] {
    this.registry.removeSingleMetric(name);
    return [this.registry];
  }

  /** `route` is the declared path (never the requested one: its ids would make labels without end). */
  observeRequest(method: string, route: string, status: number, seconds: number): void {
    this.requests.observe({ method, route, status }, seconds);
  }
}
