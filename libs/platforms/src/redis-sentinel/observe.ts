import { fieldsOf, readSentinel, readServer, type SentinelReplies } from './readings.js';
import { ReplyError } from './resp.js';
import type { Session, SessionNode } from './session.js';
import type { Place } from './settings.js';
import type { RedisNode, RedisSnapshot, Sentinel, Server } from './snapshot.js';
import { ask } from './transport.js';
import { observeUnit } from './unit.js';

/** An answer takes milliseconds; who is silent that long is told to be, and the rest of the picture is there. */
const ANSWER_LIMIT_MS = 1_500;
/** One by one: several at a time are in Redis since 7. */
const SETTINGS = ['replica-priority', 'min-replicas-to-write', 'replica-read-only'];

/**
 * One look at the whole cluster: each Redis, each Sentinel and each host, all side by side within one deadline. Never throws for what the
 * cluster does.
 */
export async function observeRedis(session: Session, deadlineMs: number): Promise<RedisSnapshot> {
  const observedAt = new Date(session.target.now()).toISOString();
  const { master, sentinels } = session.cluster;
  const places = [
    ...session.nodes.flatMap(({ settings: { node, sentinel } }) => (sentinel === null ? [] : [{ node, place: sentinel }])),
    ...sentinels.map((place) => ({ node: null, place })),
  ];
  const [nodes, seen] = await Promise.all([
    Promise.all(session.nodes.map((node) => observeNode(session, node, deadlineMs))),
    Promise.all(places.map(({ node, place }) => observeSentinel(session, node, place, deadlineMs))),
  ]);
  return { cluster: session.target.definition.slug, master, observedAt, nodes, sentinels: seen };
}

async function observeNode(session: Session, node: SessionNode, deadlineMs: number): Promise<RedisNode> {
  const { settings, host, notPromotable } = node;
  const [unit, server] = await Promise.all([
    observeUnit(host, settings, node.onDisk, deadlineMs),
    observeServer(session, settings, deadlineMs),
  ]);
  if (unit.seen) node.onDisk ??= { binary: unit.binary, packages: unit.packages };
  return {
    node: settings.node,
    host: host.definition.slug,
    root: host.definition.access.root,
    address: settings.address,
    port: settings.port,
    ...(notPromotable === undefined ? {} : { notPromotable }),
    unit,
    server,
  };
}

async function observeServer(session: Session, place: Place, deadlineMs: number): Promise<Server> {
  const answer = await ask({
    place,
    ...(session.login === undefined ? {} : { login: session.login }),
    commands: [['INFO'], ...SETTINGS.map((name) => ['CONFIG', 'GET', name])],
    deadlineMs: Math.min(deadlineMs, ANSWER_LIMIT_MS),
  });
  if (answer.status !== 'answered') return { says: 'nothing', reason: answer.reason };
  const [info, ...settings] = answer.replies;
  if (typeof info !== 'string')
    return { says: 'nothing', reason: info instanceof ReplyError ? `it answered ${info.message}` : 'its answer cannot be read' };
  const fields = settings.map((reply) => fieldsOf(reply));
  const told = fields.every((each) => each !== undefined) ? new Map(fields.flatMap((each) => [...(each ?? [])])) : null;
  const read = readServer(info, told);
  return typeof read === 'string' ? { says: 'nothing', reason: read } : read;
}

async function observeSentinel(session: Session, node: string | null, place: Place, deadlineMs: number): Promise<Sentinel> {
  const { master } = session.cluster;
  const of = (verb: string): readonly string[] => ['SENTINEL', verb, master];
  const answer = await ask({
    place,
    ...(session.sentinelLogin === undefined ? {} : { login: session.sentinelLogin }),
    commands: [of('MASTER'), of('REPLICAS'), of('SENTINELS'), of('CKQUORUM'), ['INFO']],
    deadlineMs: Math.min(deadlineMs, ANSWER_LIMIT_MS),
  });
  const view = answer.status === 'answered' ? readSentinel(answer.replies as unknown as SentinelReplies) : answer.reason;
  const { address, port } = place;
  return { node, address, port, view: typeof view === 'string' ? { says: 'nothing', reason: view } : view };
}
