import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';

const PRELOAD = fileURLToPath(new URL('../../../libs/runtime/dist/otel/preload.js', import.meta.url));

export interface DistributedArgs {
  /** Everything stays up after the window, until a signal. */
  readonly stay: boolean;
  /** For Node, before each service's program. */
  readonly nodeArguments: readonly string[];
  /** What the demo understands. */
  readonly demo: readonly string[];
}

export function helpText(): string {
  return `Runs the four services apart, on a real Apache Kafka and a real PostgreSQL, and patches the practice pair through them.

  npm run distributed -- [options]

  --stay            everything stays up after the window, until Ctrl-C; prints the addresses and where the token lies
  --nodes 2|3       how many nodes the practice cluster has (default 2)
  --report PATH     where the report goes (default ./understudy-report-<rollout>.html)
  --evidence DIR    also writes ledger, events and connection facts there, so that the figures can be computed again
  --judge SCRIPT    runs \`node SCRIPT DIR LAST-LINE\` on that evidence while the nodes still live; it must exit 0
  --help            this text

Needs Java 17 or later; the broker's files come by Maven at the first run. With OTEL_EXPORTER_OTLP_ENDPOINT set, the services
send traces there. Each service's log is a file in the folder that is printed when it fails. The last line (with --stay: of
the window) is one line of JSON, as that of npm run demo. Exit code 0: every figure agrees.
`;
}

/** What was asked for, `help`, or what cannot be meant, in words. */
export function readArgs(argv: readonly string[]): DistributedArgs | string {
  try {
    const { values } = parseArgs({
      args: [...argv],
      strict: true,
      options: {
        stay: { type: 'boolean', default: false },
        nodes: { type: 'string' },
        report: { type: 'string' },
        evidence: { type: 'string' },
        judge: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) return 'help';
    const { stay, help: _help, ...demo } = values;
    const passed = Object.entries(demo).flatMap(([name, value]) => (typeof value === 'string' ? [`--${name}`, value] : []));
    return { stay, demo: passed, nodeArguments: tracing() ? ['--import', PRELOAD] : [] };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Asked for as OpenTelemetry's own environment variables say. */
function tracing(): boolean {
  const { OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT } = process.env;
  return OTEL_EXPORTER_OTLP_ENDPOINT !== undefined || OTEL_EXPORTER_OTLP_TRACES_ENDPOINT !== undefined;
}
