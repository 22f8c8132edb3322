import { ReplyError, type Reply } from './resp.js';
import type { Place } from './settings.js';
import type { Answering, Link, Reader, SentinelView, ViewedReplica, ViewedSentinel } from './snapshot.js';

/**
 * Pure readers of what Redis and Sentinel answer (6.2 to 8). A field that is missing or of another shape is read as left
 * out; an answer that cannot be read at all is undefined, never a guess.
 */

type Fields = ReadonlyMap<string, string>;

const MOST_REPLICAS = 100;
/** Redis's own default, which a Sentinel that was told nothing yet assumes too. */
const DEFAULT_PRIORITY = 100;

/** The text of `INFO`: lines `name:value`, with headings between them. */
export function readInfo(text: string): Fields {
  const lines = text.split('\n').map((line) => line.trim());
  const pairs = lines.flatMap((line) => {
    const colon = line.indexOf(':');
    return colon < 1 || line.startsWith('#') ? [] : [[line.slice(0, colon), line.slice(colon + 1)] as const];
  });
  return new Map(pairs);
}

/**
 * One Redis out of `INFO` and `CONFIG GET` of `replica-priority`, `min-replicas-to-write` and `replica-read-only`.
 * @param settings name and value in turn; null: they could not be asked.
 * @returns a sentence instead when it is no Redis that a Sentinel could look after.
 */
export function readServer(info: string, settings: Fields | null): Answering | string {
  const fields = readInfo(info);
  const [version, runId, role, history] = ['redis_version', 'run_id', 'role', 'master_replid'].map((name) => fields.get(name));
  if (version === undefined || runId === undefined) return 'what answers there is no Redis';
  const other = otherThanRedis(fields);
  if (other !== undefined) return other;
  if ((role !== 'master' && role !== 'slave') || history === undefined) return 'it does not tell its role in replication';
  const isReplica = role === 'slave';
  return {
    says: 'answers',
    version,
    build: buildIn(fields),
    role: isReplica ? 'replica' : 'master',
    isLoading: isSet(fields, 'loading', 'async_loading'),
    offset: numberIn(fields, isReplica ? 'slave_repl_offset' : 'master_repl_offset'),
    history,
    link: isReplica ? readLink(fields) : null,
    readers: readReaders(fields),
    backlogBytes: numberIn(fields, 'repl_backlog_size'),
    ...readSettings(settings),
    isAnnounced: fields.get('replica_announced') !== '0',
    hasConfigFile: (fields.get('config_file') ?? '') !== '',
    persistenceFault: persistenceFault(fields),
  };
}

function otherThanRedis(fields: Fields): string | undefined {
  const mode = fields.get('redis_mode');
  if (mode === 'sentinel') return 'what answers there is a Sentinel';
  if (mode === 'cluster' || isSet(fields, 'cluster_enabled'))
    return 'what answers there is a node of Redis Cluster, which no Sentinel looks after';
  return undefined;
}

function readSettings(settings: Fields | null): Pick<Answering, 'priority' | 'leastReplicas' | 'isReadOnlyReplica'> {
  return {
    priority: wholeNumber(settings?.get('replica-priority')),
    leastReplicas: wholeNumber(settings?.get('min-replicas-to-write')) ?? 0,
    isReadOnlyReplica: settings?.get('replica-read-only') === 'yes',
  };
}

/** One of them at least. */
function isSet(fields: Fields, ...names: readonly string[]): boolean {
  return names.some((name) => fields.get(name) === '1');
}

function textOf(reply: Reply): string {
  return typeof reply === 'string' ? reply : '';
}

function buildIn(fields: Fields): string | null {
  return fields.get('redis_build_id') ?? null;
}

/** 0 where it is not told. */
function numberIn(fields: Fields, name: string): number {
  return wholeNumber(fields.get(name)) ?? 0;
}

function readLink(fields: Fields): Link {
  return {
    master: { address: fields.get('master_host') ?? '', port: wholeNumber(fields.get('master_port')) ?? 0 },
    isUp: fields.get('master_link_status') === 'up',
    isCopying: fields.get('master_sync_in_progress') === '1',
  };
}

/** `slave0:ip=10.0.0.1,port=6379,state=online,offset=1086390,lag=0`; of a replica with replicas of its own too. */
function readReaders(fields: Fields): readonly Reader[] {
  return [...fields].flatMap(([name, value]) => {
    if (!/^slave\d+$/.test(name)) return [];
    const parts = new Map(value.split(',').map((part) => part.split('=', 2) as [string, string]));
    const port = wholeNumber(parts.get('port'));
    if (port === null) return [];
    return [
      {
        address: parts.get('ip') ?? '',
        port,
        state: parts.get('state') ?? '',
        offset: wholeNumber(parts.get('offset')) ?? 0,
      },
    ];
  });
}

function persistenceFault(fields: Fields): string | null {
  const failed = ['rdb_last_bgsave_status', 'aof_last_bgrewrite_status', 'aof_last_write_status'].filter(
    (name) => (fields.get(name) ?? 'ok') !== 'ok',
  );
  return failed.length === 0 ? null : failed.map((name) => `${name} is ${fields.get(name)}`).join(', ');
}

/** What a Sentinel answered to MASTER, REPLICAS, SENTINELS, CKQUORUM and INFO, in that order. */
export type SentinelReplies = readonly [Reply, Reply, Reply, Reply, Reply];

/** One Sentinel's view. @returns a sentence instead when it has none of this master. */
export function readSentinel([master, replicas, peers, quorum, info]: SentinelReplies): SentinelView | string {
  if (master instanceof ReplyError) return `it answered ${master.message}`;
  const fields = fieldsOf(master);
  const place = fields === undefined ? null : placeIn(fields, 'ip', 'port');
  if (fields === undefined || place === null) return 'what it says of the master could not be read';
  const itself = readInfo(textOf(info));
  const version = itself.get('redis_mode') === 'sentinel' ? itself.get('redis_version') : undefined;
  if (version === undefined) return 'what answers there is no Sentinel';
  const [viewed, others] = [listOf(replicas), listOf(peers)];
  if (viewed === undefined || others === undefined) return 'what it says of replicas and Sentinels could not be read';
  return {
    says: 'answers',
    version,
    build: buildIn(itself),
    master: place,
    flags: flagsOf(fields),
    quorum: numberIn(fields, 'quorum'),
    downAfterMs: numberIn(fields, 'down-after-milliseconds'),
    failoverTimeoutMs: numberIn(fields, 'failover-timeout'),
    parallelSyncs: numberIn(fields, 'parallel-syncs'),
    replicas: viewed.flatMap(readViewedReplica),
    peers: others.flatMap(readViewedSentinel),
    isQuorumReached: typeof quorum === 'string' && quorum.startsWith('OK'),
    quorumSays: sentence(quorum),
    isTilted: isSet(itself, 'sentinel_tilt'),
  };
}

function readViewedReplica(fields: Fields): readonly ViewedReplica[] {
  const place = placeIn(fields, 'ip', 'port');
  if (place === null) return [];
  return [
    {
      ...place,
      flags: flagsOf(fields),
      priority: wholeNumber(fields.get('slave-priority')) ?? DEFAULT_PRIORITY,
      follows: placeIn(fields, 'master-host', 'master-port'),
    },
  ];
}

function readViewedSentinel(fields: Fields): readonly ViewedSentinel[] {
  const place = placeIn(fields, 'ip', 'port');
  return place === null ? [] : [{ ...place, flags: flagsOf(fields) }];
}

/** Sentinel writes `?` and 0 where it knows nobody. */
function placeIn(fields: Fields, address: string, port: string): Place | null {
  const [host, number] = [fields.get(address), wholeNumber(fields.get(port))];
  return host === undefined || host === '' || host === '?' || number === null || number === 0
    ? null
    : { address: host, port: number };
}

function flagsOf(fields: Fields): readonly string[] {
  return (fields.get('flags') ?? '').split(',').filter((flag) => flag !== '');
}

function listOf(reply: Reply): readonly Fields[] | undefined {
  if (!Array.isArray(reply)) return undefined;
  return (reply as readonly Reply[]).slice(0, MOST_REPLICAS).flatMap((each) => fieldsOf(each) ?? []);
}

/** Names and values in turn, as Redis answers what is a table to it. */
export function fieldsOf(reply: Reply): Fields | undefined {
  if (!Array.isArray(reply)) return undefined;
  const texts = (reply as readonly Reply[]).map((part) => (typeof part === 'string' ? part : ''));
  return new Map(texts.flatMap((name, i) => (i % 2 === 0 ? [[name, texts[i + 1] ?? ''] as const] : [])));
}

/** What was answered, for a person. */
export function sentence(reply: Reply | undefined): string {
  if (reply instanceof ReplyError) return reply.message.slice(0, 300);
  if (reply === undefined || reply === null) return 'nothing';
  return (typeof reply === 'object' ? reply.map(sentence).join(', ') : String(reply)).slice(0, 300);
}

function wholeNumber(text: string | undefined): number | null {
  return text !== undefined && /^-?\d{1,16}$/.test(text.trim()) ? Number(text) : null;
}
