import type { ProbeSpec } from '../probe.js';

/** What the job is told on standard input, once. It holds a password, so it is nowhere else. */
export interface JobSpec {
  readonly probeId: string;
  readonly spec: ProbeSpec;
}

const KINDS = ['sql-write', 'sql-read', 'tcp', 'http'];
const TABLE = /^[a-z_][a-z0-9_]{0,62}(\.[a-z_][a-z0-9_]{0,62})?$/;
const PROBE_ID = /^[A-Za-z0-9._:@+=/-]{1,250}$/;

/** Why this cannot be probed, in a sentence; null when it can. Never quotes the password. */
export function problemOf({ probeId, spec }: JobSpec): string | null {
  if (!PROBE_ID.test(probeId)) return 'the probe has no usable id';
  if (!KINDS.includes(spec.kind)) return `"${spec.kind}" is not a kind of probe; there are ${KINDS.join(', ')}`;
  return problemOfTargets(spec) ?? problemOfTimes(spec) ?? problemOfTable(spec);
}

function problemOfTargets(spec: ProbeSpec): string | null {
  if (spec.targets.length === 0) return 'there is no target to probe';
  const bad = spec.targets.find((target) => !fits(spec.kind, target));
  if (bad === undefined) return null;
  return `"${bad}" is no target for ${spec.kind}; give ${spec.kind === 'http' ? 'a http(s) URL' : 'host:port'}`;
}

function problemOfTimes(spec: ProbeSpec): string | null {
  const names = ['intervalMs', 'timeoutMs', 'limitMs'] as const;
  const bad = names.find((name) => !Number.isFinite(spec[name]) || spec[name] < 1);
  return bad === undefined ? null : `${bad} is ${spec[bad]}; it must be at least 1`;
}

function problemOfTable(spec: ProbeSpec): string | null {
  if (spec.kind !== 'sql-write' || TABLE.test(spec.table ?? '')) return null;
  return `"${spec.table ?? ''}" is not a plain table name; give schema.table in lower case`;
}

function fits(kind: ProbeSpec['kind'], target: string): boolean {
  if (kind === 'http') return /^https?:\/\/[^\s]+$/.test(target);
  return hostAndPort(target) !== null;
}

/** `host:port`; an IPv6 address stands in brackets. Null when it is neither. */
export function hostAndPort(target: string): { readonly host: string; readonly port: number } | null {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:/@]+)):(\d{1,5})$/.exec(target);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  return host !== undefined && port >= 1 && port <= 65_535 ? { host, port } : null;
}
