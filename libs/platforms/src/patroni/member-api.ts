import type { Secret } from '../platform.js';
import { readCluster, readConfig, readMember } from './readings.js';
import type { ClusterSettings, NodeSettings } from './settings.js';
import type { DynamicConfig, MemberApi } from './snapshot.js';
import { ask, type Answer, type Question } from './transport.js';

/** How the REST APIs of one cluster are spoken to. */
export interface ApiAccess {
  readonly cluster: ClusterSettings;
  /** For what changes something; reading needs no login in Patroni. */
  readonly login?: Secret;
}

/** How Patroni answered a switchover that was asked for. The answer decides nothing: what is observed afterwards does. */
export type SwitchoverAnswer =
  { readonly outcome: 'ended' | 'refused'; readonly said: string } | { readonly outcome: 'unknown'; readonly said: string };

/** Asks one member's REST API what it says of itself and of the cluster, side by side. Never throws. */
export async function observeMember(access: ApiAccess, node: NodeSettings, deadlineMs: number): Promise<MemberApi> {
  const question = (path: string, method: Question['method'] = 'GET'): Promise<Answer> =>
    ask(questionTo(access, node, { path, method, deadlineMs }));
  const [detail, cluster, primary] = await Promise.all([
    question('/patroni'),
    question('/cluster'),
    question('/primary', 'OPTIONS'),
  ]);
  if (detail.status === 'silent') return { says: 'nothing', reason: detail.reason };
  // `/patroni` answers 200 as long as Patroni runs; in some versions 503 while PostgreSQL does not.
  if (detail.code !== 200 && detail.code !== 503) return { says: 'nothing', reason: refusal('/patroni', detail.code) };
  const member = readMember(detail.body, access.cluster.scope, node.member, detail.atMs);
  if (member === undefined) return { says: 'nothing', reason: `what answers at ${node.api} is not Patroni` };
  if (typeof member === 'string') return { says: 'nothing', reason: `what answers at ${node.api} is not this node: ${member}` };
  const view = cluster.status === 'answered' && cluster.code === 200 ? (readCluster(cluster.body) ?? null) : null;
  return {
    says: 'answers',
    member,
    holdsKey: holdsKey(primary),
    view,
    viewReason: view === null ? whyNot('/cluster', cluster) : '',
  };
}

/** 200: it leads and holds the key. 503: it does not. Anything else says nothing about it. */
function holdsKey(primary: Answer): boolean | null {
  if (primary.status === 'silent') return null;
  return primary.code === 200 ? true : primary.code === 503 ? false : null;
}

/** Patroni's dynamic configuration, from the first member that tells it. Never throws. */
export async function observeConfig(
  access: ApiAccess,
  nodes: readonly NodeSettings[],
  deadlineMs: number,
): Promise<DynamicConfig | null> {
  const answers = await Promise.all(nodes.map((node) => readConfiguration(access, node, deadlineMs)));
  return answers.flatMap((answer) => (answer.status === 'read' ? [readConfig(answer.body)] : [])).find(isDefined) ?? null;
}

function isDefined<T>(value: T | undefined): value is T {
  return value !== undefined;
}

/** `GET /config` as it stands in the store. Never throws. */
export async function readConfiguration(
  access: ApiAccess,
  node: NodeSettings,
  deadlineMs: number,
): Promise<{ readonly status: 'read'; readonly body: string } | { readonly status: 'unknown'; readonly reason: string }> {
  const answer = await ask(questionTo(access, node, { path: '/config', method: 'GET', deadlineMs }));
  if (answer.status === 'answered' && answer.code === 200) return { status: 'read', body: answer.body };
  return { status: 'unknown', reason: whyNot('/config', answer) };
}

/**
 * Asks the leader's member to move the workload to a candidate. Asked there, its loop runs at once; elsewhere it would
 * notice within `loop_wait`. Patroni answers when it is over, or never: it is asked once, and what became of it is looked
 * at. Never throws.
 */
export async function askForSwitchover(
  access: ApiAccess,
  leader: NodeSettings,
  candidate: NodeSettings,
  deadlineMs: number,
): Promise<SwitchoverAnswer> {
  const body = { leader: leader.member, candidate: candidate.member };
  const answer = await ask({
    ...questionTo(access, leader, { path: '/switchover', method: 'POST', deadlineMs }),
    body,
    ...(access.login === undefined ? {} : { login: access.login }),
  });
  if (answer.status === 'silent') return { outcome: 'unknown', said: answer.reason };
  return readSwitchoverAnswer(answer.code, answer.body);
}

/** Codes that Patroni answers before it has taken a request: it is malformed, not allowed, or cannot be done now. */
const NOT_TAKEN: ReadonlySet<number> = new Set([400, 401, 403, 404, 405, 409, 412, 422, 501]);

/**
 * Pure. The body is plain text; the codes are those of `do_POST_failover` and `poll_failover_result` in `api.py`. A no is
 * only what Patroni itself is known to say when nothing is under way any more: a proxy before it, or a store that did not
 * answer in time, say nothing about what will happen.
 */
export function readSwitchoverAnswer(code: number, body: string): SwitchoverAnswer {
  const words = body.trim().startsWith('<') ? '' : body.trim().replaceAll(/\s+/g, ' ').slice(0, 300);
  const said = `${code} ${words}`.trim();
  if (code === 200) return { outcome: 'ended', said };
  if (code === 401)
    return { outcome: 'refused', said: `${said}. Define a credential for "restApi" with the login of Patroni's REST API` };
  if (NOT_TAKEN.has(code) || (code === 503 && /^(?:switch|fail)over failed$/i.test(words))) return { outcome: 'refused', said };
  return { outcome: 'unknown', said };
}

function questionTo(
  { cluster }: ApiAccess,
  node: NodeSettings,
  question: Pick<Question, 'path' | 'method' | 'deadlineMs'>,
): Question {
  const { certificateAuthority } = cluster;
  return { ...question, origin: node.api, ...(certificateAuthority === undefined ? {} : { certificateAuthority }) };
}

function whyNot(path: string, answer: Answer): string {
  if (answer.status === 'silent') return `${path}: ${answer.reason}`;
  return answer.code === 200 ? `${path}: its answer could not be read` : refusal(path, answer.code);
}

function refusal(path: string, code: number): string {
  if (code >= 300 && code < 400) return `${path} answered ${code}: it points elsewhere, which is not followed`;
  return `${path} answered ${code}`;
}
