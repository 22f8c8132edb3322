import type { ClusterSettings, NodeSettings } from './settings.js';
import type { Etcd, EtcdMember } from './snapshot.js';
import { ask, objectOf, type Answer, type Question } from './transport.js';

/** Members whose place nobody named are asked at the URL that etcd gives for them; never more than this. */
const MOST_MEMBERS = 9;

/** One member as etcd's list has it (`POST /v3/cluster/member/list`). */
export interface ListedMember {
  readonly id: string;
  readonly name: string;
  readonly isLearner: boolean;
  readonly clientUrls: readonly string[];
  readonly peerUrls: readonly string[];
}

/** What answered at one client URL: which member it is, and whether it is healthy. */
export interface AskedPlace {
  readonly url: string;
  readonly node: string | null;
  /** Null: it did not say which member it is. */
  readonly memberId: string | null;
  readonly isHealthy: boolean;
  readonly members: readonly ListedMember[] | null;
  readonly reason: string | null;
}

/**
 * Asks every etcd member that the settings name, and those that etcd itself names besides, all at once. A member that
 * does not answer counts as away: a quorum is only what was seen. Null where no etcd member is named. Never throws.
 */
export async function observeEtcd(
  cluster: ClusterSettings,
  nodes: readonly NodeSettings[],
  deadlineMs: number,
): Promise<Etcd | null> {
  const named = [
    ...nodes.flatMap(({ node, etcd }) => (etcd === null ? [] : [{ url: etcd, node }])),
    ...cluster.etcd.map((url) => ({ url, node: null })),
  ];
  if (named.length === 0) return null;
  const halfMs = Math.max(1, Math.floor(deadlineMs / 2));
  const asked = await Promise.all(named.map(({ url, node }) => askPlace(cluster, url, node, halfMs)));
  const others = unasked(asked);
  const all = [...asked, ...(await Promise.all(others.map((url) => askPlace(cluster, url, null, halfMs))))];
  return summariseEtcd(all, addressesOf(nodes));
}

/** Pure: the first client URL of each listed member that was not found at a named place. */
export function unasked(asked: readonly AskedPlace[]): readonly string[] {
  const found = new Set(asked.map(({ memberId }) => memberId));
  const urls = new Set(asked.map(({ url }) => url));
  return (listOf(asked) ?? [])
    .filter((member) => !found.has(member.id) && !member.clientUrls.some((url) => urls.has(url)))
    .flatMap(({ clientUrls }) => clientUrls.slice(0, 1))
    .slice(0, MOST_MEMBERS);
}

/** Pure: nodes by the names and addresses that they are known by; a loopback address is everybody's. */
function addressesOf(nodes: readonly NodeSettings[]): ReadonlyMap<string, string> {
  const known = nodes.flatMap(({ node, api, address }) =>
    [new URL(api).hostname, address].map((host) => [bare(host), node] as const),
  );
  return new Map(known.filter(([host]) => !/^(?:localhost$|127\.|::1$)/.test(host)));
}

function bare(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1').toLowerCase();
}

/**
 * Pure: the voters of the list, each with what its own place said. One that lives at a node's address goes down with that
 * node's host, whether or not the settings say so.
 */
export function summariseEtcd(asked: readonly AskedPlace[], addresses: ReadonlyMap<string, string> = new Map()): Etcd {
  const unanswered = asked.flatMap(({ url, reason }) => (reason === null ? [] : [`etcd at ${url}: ${reason}`]));
  const members = listOf(asked);
  if (members === undefined) return { voters: [], unanswered: [...unanswered, 'no etcd member gave the list of members'] };
  const voters = members
    .filter(({ isLearner }) => !isLearner)
    .map((member): EtcdMember => {
      const place = asked.find(({ memberId, url }) =>
        memberId === null ? member.clientUrls.includes(url) : memberId === member.id,
      );
      const hosts = [...member.clientUrls, ...member.peerUrls]
        .filter((url) => URL.canParse(url))
        .map((url) => new URL(url).hostname);
      const there = hosts.map((host) => addresses.get(bare(host))).find((node) => node !== undefined);
      return { name: member.name, node: place?.node ?? there ?? null, isHealthy: place?.isHealthy ?? false };
    });
  return { voters, unanswered };
}

/** A healthy member's list counts more than that of one that was cut off. */
function listOf(asked: readonly AskedPlace[]): readonly ListedMember[] | undefined {
  const lists = [...asked].sort((left, right) => Number(right.isHealthy) - Number(left.isHealthy));
  return lists.find(({ members }) => members !== null)?.members ?? undefined;
}

async function askPlace(
  { certificateAuthority }: ClusterSettings,
  url: string,
  node: string | null,
  deadlineMs: number,
): Promise<AskedPlace> {
  const question = (path: string, method: Question['method'], body?: object): Promise<Answer> =>
    URL.canParse(path, url)
      ? ask({
          method,
          origin: url,
          path,
          deadlineMs,
          ...(body === undefined ? {} : { body }),
          ...(certificateAuthority === undefined ? {} : { certificateAuthority }),
        })
      : Promise.resolve({ status: 'silent', reason: 'its URL cannot be read' });
  const [health, status, list] = await Promise.all([
    question('/health', 'GET'),
    question('/v3/maintenance/status', 'POST', {}),
    // Linearizable where etcd can: not the memory of a member that was cut off.
    question('/v3/cluster/member/list', 'POST', {}),
  ]);
  return {
    url,
    node,
    memberId: readMemberId(bodyOf(status)),
    isHealthy: isHealthy(bodyOf(health)),
    members: readMembers(bodyOf(list)),
    reason: health.status === 'silent' ? health.reason : isHealthy(health.body) ? null : 'it says that it is not healthy',
  };
}

function bodyOf(answer: Answer): string {
  return answer.status === 'answered' ? answer.body : '';
}

/** Pure: `GET /health`. 3.4 writes the string "true", other versions a boolean; a member without a leader says false. */
export function isHealthy(body: string): boolean {
  const health = objectOf(body)?.['health'];
  return health === true || health === 'true';
}

/** Pure: who answers, from `POST /v3/maintenance/status`. */
export function readMemberId(body: string): string | null {
  const header = objectOf(body)?.['header'] as { readonly member_id?: unknown } | undefined;
  return typeof header?.member_id === 'string' ? header.member_id : null;
}

/** Pure: `POST /v3/cluster/member/list`; ids are strings of digits there, so that no JSON reader rounds them. */
export function readMembers(body: string): readonly ListedMember[] | null {
  const members = objectOf(body)?.['members'];
  if (!Array.isArray(members) || members.length === 0) return null;
  return members.map((member: Readonly<Record<string, unknown>>) => ({
    id: String(member['ID'] ?? ''),
    name: String(member['name'] ?? '').slice(0, 100),
    isLearner: member['isLearner'] === true,
    clientUrls: texts(member['clientURLs']),
    peerUrls: texts(member['peerURLs']),
  }));
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
