import type { ClusterDefinition } from '@understudy/cluster';
import type { Secret } from '@understudy/platforms';
import type { ProbeSpec } from '@understudy/probe';

const DEFAULT_INTERVAL_MS = 20;
const DEFAULT_TIMEOUT_MS = 500;

/**
 * What the probe of this cluster does. Production is read unless its owner asked for writes (`probeKind`), because a
 * write needs a table that the owner prepared.
 */
export function probeSpec(definition: ClusterDefinition, secret: Secret | undefined, limitMs: number): ProbeSpec {
  const settings = definition.settings;
  const kind = probeKind(settings['probeKind'], definition.environment === 'production');
  return {
    kind,
    targets:
      settings['probeTargets']?.split(',') ??
      definition.nodes.map((node) => `${node.settings['address']}:${node.settings['port']}`),
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
