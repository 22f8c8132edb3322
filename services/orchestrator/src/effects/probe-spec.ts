import type { ClientPlace } from '@understudy/platforms';
import type { ProbeSpec } from '@understudy/probe';
import { clientPlace } from './client-place.js';
import type { OpenCluster } from './targets.js';

const DEFAULT_INTERVAL_MS = 20;
const DEFAULT_TIMEOUT_MS = 500;

/**
 * What the probe of this cluster does. Production is read unless its owner asked for writes (`probeKind`), because a
 * write needs a table that the owner prepared.
 */
export function probeSpec(open: OpenCluster, limitMs: number): ProbeSpec {
  const { definition, secrets } = open.target;
  const settings = definition.settings;
  const secret = secrets['probe'];
  const kind = probeKind(settings['probeKind'], definition.environment === 'production');
  return {
    kind,
    targets: settings['probeTargets']?.split(',') ?? definition.nodes.map((node) => hostAndPort(clientPlace(open, node))),
    intervalMs: Number(settings['probeIntervalMs'] ?? DEFAULT_INTERVAL_MS),
    timeoutMs: Number(settings['probeTimeoutMs'] ?? DEFAULT_TIMEOUT_MS),
    limitMs,
    ...(settings['database'] === undefined ? {} : { database: settings['database'] }),
    ...(kind === 'sql-write' ? { table: settings['probeTable'] ?? 'understudy_probe.heartbeat' } : {}),
    ...(secret ? { user: secret.user, password: secret.password } : {}),
  };
}

function probeKind(wanted: string | undefined, production: boolean): ProbeSpec['kind'] {
  switch (wanted) {
    case 'sql-write':
    case 'sql-read':
    case 'tcp':
    case 'http':
      return wanted;
    default:
      return production ? 'sql-read' : 'sql-write';
  }
}

function hostAndPort({ host, port }: ClientPlace): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
