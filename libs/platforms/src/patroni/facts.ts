import type { Fact, NodeFacts } from '../platform.js';
import { collectServerFacts, versionFact, type Hash } from '../postgres/facts.js';
import { readConfiguration } from './member-api.js';
import { observePatroni } from './observe.js';
import type { Session, SessionNode } from './session.js';
import type { PatroniNode, PatroniSnapshot, Tags } from './snapshot.js';
import { objectOf } from './transport.js';
import { apiOf, unitOf } from './topology.js';
import { versionsOf } from './versions.js';

/** What of the dynamic configuration holds no secret and is shown as it is; any other text in it leaves only as a keyed hash. */
const PUBLIC_KEYS = new Set(
  `ttl loop_wait retry_timeout maximum_lag_on_failover maximum_lag_on_syncnode max_timelines_history primary_start_timeout
  primary_stop_timeout master_start_timeout master_stop_timeout synchronous_mode synchronous_mode_strict synchronous_node_count
  failsafe_mode check_timeline pause postgresql.use_pg_rewind postgresql.use_slots member_slots_ttl primary_race_backoff`.split(
    /\s+/,
  ),
);
/** Parameters of PostgreSQL are facts of each server, by the value that it will have; here they would be told twice. */
const TOLD_ELSEWHERE = /^postgresql\.parameters\./;
const MOST_FACTS = 200;

/** Facts of every node: its server's, its member's, and the dynamic configuration as this member tells it. */
export async function collectFacts(session: Session, hash: Hash, deadlineMs: number): Promise<readonly NodeFacts[]> {
  const snapshot = await observePatroni(session, deadlineMs);
  return Promise.all(session.nodes.map((node) => collectNode({ session, snapshot, hash, deadlineMs }, node)));
}

interface Collecting {
  readonly session: Session;
  readonly snapshot: PatroniSnapshot;
  readonly hash: Hash;
  readonly deadlineMs: number;
}

async function collectNode({ session, snapshot, hash, deadlineMs }: Collecting, here: SessionNode): Promise<NodeFacts> {
  const node = snapshot.nodes.find((candidate) => candidate.node === here.settings.node) as PatroniNode;
  const [server, configuration] = await Promise.all([
    collectServerFacts(session.connections, here, hash, deadlineMs),
    readConfiguration(session.api, here.settings, deadlineMs),
  ]);
  const missing = [
    ...(node.unit.seen ? [] : [`host ${node.host}: ${node.unit.reason}`]),
    ...(server.status === 'collected' ? server.missing : [`server: ${server.reason}`]),
    ...(configuration.status === 'read' ? [] : [`Patroni's configuration: ${configuration.reason}`]),
    ...(node.api.says === 'answers' ? [] : [`Patroni: ${node.api.reason}`]),
  ];
  return {
    node: node.node,
    collectedAt: snapshot.observedAt,
    facts: [
      ...versionFacts(snapshot, node),
      ...(server.status === 'collected' ? server.facts : []),
      ...(configuration.status === 'read' ? configurationFacts(configuration.body, hash) : []),
      ...memberFacts(node),
    ],
    missing,
  };
}

function versionFacts(snapshot: PatroniSnapshot, node: PatroniNode): readonly Fact[] {
  return Object.entries(versionsOf(snapshot, node)).flatMap(([item, { installed, running }]) => {
    const value = running ?? installed;
    return value === null ? [] : [versionFact(item, installed, value)];
  });
}

/** Tags and unit of one member. Our own tag is no fact of the node: it comes and goes with a drain. */
function memberFacts(node: PatroniNode): readonly Fact[] {
  const member = apiOf(node)?.member;
  const unit = unitOf(node);
  const enabled: readonly Fact[] =
    unit === undefined ? [] : [{ area: 'patroni', name: `unit ${unit.name}`, value: unit.enabled ? 'enabled' : 'not enabled' }];
  if (member === undefined) return enabled;
  return [...enabled, ...tagFacts(unit?.tagged === true ? { ...member.tags, nofailover: false } : member.tags)];
}

function tagFacts(tags: Tags): readonly Fact[] {
  return Object.entries(tags)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => ({ area: 'patroni', name: `tag ${name}`, value: String(value) }));
}

/** Pure: the dynamic configuration, one fact for each leaf, redacted by allow-list. */
export function configurationFacts(body: string, hash: Hash): readonly Fact[] {
  return leaves(objectOf(body) ?? {}, '')
    .filter(([name]) => !TOLD_ELSEWHERE.test(name))
    .slice(0, MOST_FACTS)
    .map(([name, value]): Fact => {
      const base = { area: 'patroni', name };
      const isPublic = PUBLIC_KEYS.has(name) || typeof value !== 'string';
      return isPublic ? { ...base, value: String(value) } : { ...base, value: hash(value), secret: true };
    });
}

/** Numbers and switches may be shown anywhere; a list counts as one value, which may hold anything. */
function leaves(value: object, prefix: string): readonly (readonly [string, string | number | boolean | null])[] {
  return Object.entries(value).flatMap(([key, inner]: [string, unknown]) => {
    const name = prefix === '' ? key : `${prefix}.${key}`;
    if (Array.isArray(inner)) return [[name, JSON.stringify(inner)] as const];
    if (typeof inner === 'object' && inner !== null) return leaves(inner, name);
    return typeof inner === 'string' || typeof inner === 'number' || typeof inner === 'boolean' || inner === null
      ? [[name, inner] as const]
      : [];
  });
}
