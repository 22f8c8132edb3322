import { quorumSurvives, type CheckResult } from '@understudy/cluster';
import { privileged } from '@understudy/hosts';
import type { Purpose } from '../platform.js';
import { freeSpaceCheck, workUnderWay } from '../postgres/under-way.js';
import { namesObstacle } from './guards.js';
import { observePatroni } from './observe.js';
import type { Session, SessionNode } from './session.js';
import type { PatroniNode, PatroniSnapshot } from './snapshot.js';
import { summarise } from './summary.js';
import {
  apiOf,
  ceilingBytes,
  isFit,
  isPaused,
  isSynchronous,
  lagBytes,
  lagsWithin,
  leaderOf,
  notPromotable,
  runs,
  scheduledSwitchover,
  serverOf,
  streams,
  timelineOf,
  unitOf,
  viewOf,
  votersWithout,
} from './topology.js';

/** Health before a rollout. Changes nothing. What could not be asked is `passed: null`. */
export async function preflightPatroni(session: Session, deadlineMs: number, purpose: Purpose): Promise<readonly CheckResult[]> {
  const snapshot = await observePatroni(session, deadlineMs);
  const leader = leaderOf(snapshot);
  const here = session.nodes.find(({ settings }) => settings.node === leader?.node);
  const [onLeader, disks] = await Promise.all([
    here === undefined ? [] : workUnderWay(session.connections, here.settings, deadlineMs),
    Promise.all(session.nodes.flatMap((node) => [diskCheck(session, node, deadlineMs), tagCheck(node, deadlineMs)])),
  ]);
  return forPurpose([...clusterChecks(snapshot), ...onLeader, ...disks], purpose);
}

/** What only a switchover needs, and a restart in place does not. */
const ONLY_FOR_MOVING = ['promotable-standby', 'logical-slots', 'synchronous-candidate', 'standby-cluster'];

/** Pure: leaves out what a workload that stays where it is does not need. */
export function forPurpose(checks: readonly CheckResult[], purpose: Purpose): readonly CheckResult[] {
  return purpose === 'moving' ? checks : checks.filter(({ check }) => !ONLY_FOR_MOVING.includes(check));
}

/** Pure: what the picture itself shows. */
export function clusterChecks(snapshot: PatroniSnapshot): readonly CheckResult[] {
  const leader = leaderOf(snapshot);
  return [
    completeCheck(snapshot),
    yesNo(
      'leader',
      leader !== undefined,
      `${leader?.node} leads and holds the leader key.`,
      'No member runs as the primary and holds the leader key.',
    ),
    pausedCheck(snapshot),
    scheduledCheck(snapshot),
    membersCheck(snapshot),
    ...quorumChecks(snapshot),
    failsafeCheck(snapshot),
    standbyClusterCheck(snapshot),
    ...synchronousChecks(snapshot),
    ...snapshot.nodes.flatMap((node) => memberChecks(snapshot, node)),
    ...(leader === undefined ? [] : standbyChecks(snapshot, leader)),
  ];
}

function yesNo(check: string, passed: boolean | null, good: string, bad: string, node?: string): CheckResult {
  return { check, ...(node === undefined ? {} : { node }), passed, detail: passed === true ? good : bad };
}

function completeCheck(snapshot: PatroniSnapshot): CheckResult {
  const { complete, disagreements } = summarise(snapshot);
  return yesNo(
    'complete',
    complete,
    'Every member, host and place that was asked answered, and they agree.',
    `${disagreements.join('; ')}.`,
  );
}

function pausedCheck(snapshot: PatroniSnapshot): CheckResult {
  return yesNo(
    'not-paused',
    !isPaused(snapshot),
    'The cluster is not paused.',
    'The cluster is paused: Patroni does not fail over, and leaves PostgreSQL running when its unit stops. Find out who paused it, then resume it (patronictl resume).',
  );
}

function scheduledCheck(snapshot: PatroniSnapshot): CheckResult {
  const scheduled = scheduledSwitchover(snapshot);
  return yesNo(
    'nothing-scheduled',
    scheduled === undefined,
    'No switchover is scheduled.',
    `A switchover is scheduled ${scheduled}. Let it happen, or delete it (patronictl flush CLUSTER switchover).`,
  );
}

/** A member that is not registered could be promoted, and would not be patched. */
function membersCheck(snapshot: PatroniSnapshot): CheckResult {
  const view = viewOf(snapshot);
  const names = snapshot.nodes.map(({ member }) => member);
  const strangers = (view?.members ?? []).map(({ name }) => name).filter((name) => !names.includes(name));
  return yesNo(
    'members-registered',
    view === undefined ? null : strangers.length === 0,
    'Every member of Patroni’s cluster is a registered node.',
    view === undefined
      ? 'No member tells who belongs to the cluster.'
      : `Not registered: ${strangers.join(', ')}. Register each as a node: Patroni may promote it.`,
  );
}

function quorumChecks(snapshot: PatroniSnapshot): readonly CheckResult[] {
  if (snapshot.isStoreElsewhere) return [];
  if (snapshot.etcd === null)
    return [
      yesNo(
        'etcd',
        null,
        '',
        'The cluster’s settings name no etcd member, so it is not known whether Patroni’s store survives a node that is away. Name them in the setting "etcd" of the cluster or its nodes; where no node carries a member of the store, set it to "elsewhere".',
      ),
    ];
  const voters = votersWithout(snapshot);
  if (voters === undefined)
    return [yesNo('etcd', null, '', `etcd could not be asked for its members: ${snapshot.etcd.unanswered.join('; ')}.`)];
  const everybody = yesNo(
    'etcd',
    voters.away.length === 0,
    `All ${voters.all} voting members of etcd are healthy.`,
    `Away or not healthy: ${voters.away.join(', ')} of ${voters.all} voting members of etcd. Bring them back first.`,
  );
  const carriers = snapshot.nodes.filter((node) => snapshot.etcd?.voters.some((voter) => voter.node === node.node) === true);
  const survives = (node: PatroniNode): boolean =>
    quorumSurvives(voters.all, votersWithout(snapshot, node)?.away.length ?? voters.all);
  const breaking = carriers.filter((node) => !survives(node)).map(({ node }) => node);
  return [
    everybody,
    yesNo(
      'etcd-survives-one',
      breaking.length === 0,
      'etcd keeps its majority while any one node is away.',
      `etcd has ${voters.all} voting members and loses its majority without ${breaking.join(' or ')}: Patroni would demote the leader. Add a member elsewhere.`,
    ),
  ];
}

function failsafeCheck(snapshot: PatroniSnapshot): CheckResult {
  const active = snapshot.nodes.filter((node) => apiOf(node)?.member.isFailsafeActive === true).map(({ node }) => node);
  return yesNo(
    'store-reached',
    active.length === 0,
    'No member is in failsafe mode.',
    `Failsafe mode is active (${active.join(', ')}): the store is away, and the leader goes on only while every member answers. Bring the store back first.`,
  );
}

function standbyClusterCheck(snapshot: PatroniSnapshot): CheckResult {
  const { config } = snapshot;
  return yesNo(
    'standby-cluster',
    config === null ? null : !config.isStandbyCluster,
    'The cluster takes writes of its own.',
    config === null
      ? 'No member tells Patroni’s configuration.'
      : 'This is a standby cluster, which follows another one. It is not patched this way.',
  );
}

/** In synchronous mode the one that takes over must be in the store's list of synchronous standbys. */
function synchronousChecks(snapshot: PatroniSnapshot): readonly CheckResult[] {
  const mode = snapshot.config?.synchronousMode ?? 'off';
  if (mode === 'off') {
    const leader = leaderOf(snapshot);
    const waited = snapshot.nodes.filter((node) => node !== leader).flatMap((node) => namesObstacle(snapshot, node) ?? []);
    return [yesNo('synchronous-names', waited.length === 0, 'No commit waits for one standby alone.', `${waited.join('. ')}.`)];
  }
  const synchronous = snapshot.nodes.filter((node) => isSynchronous(snapshot, node)).map(({ node }) => node);
  return [
    yesNo(
      'synchronous-candidate',
      synchronous.length > 0,
      `Synchronous mode is ${mode}; Patroni may promote ${synchronous.join(', ')}.`,
      `Synchronous mode is ${mode}, and no registered node is a synchronous standby: Patroni would promote nobody.`,
    ),
  ];
}

function memberChecks(snapshot: PatroniSnapshot, node: PatroniNode): readonly CheckResult[] {
  const member = apiOf(node)?.member;
  const unit = unitOf(node);
  const state = member?.state ?? (node.api.says === 'nothing' ? node.api.reason : '');
  if (member === undefined) return [yesNo('member', false, '', `Its member does not answer: ${state}.`, node.node)];
  const reason = node === leaderOf(snapshot) ? undefined : notPromotable(snapshot, node);
  return [
    yesNo('member', runs(node), `Patroni says: ${state}.`, `Patroni says: ${state}. Look at its log on ${node.host}.`, node.node),
    yesNo(
      'pending-restart',
      !member.pendingRestart,
      'No setting waits for a restart.',
      'A setting waits for a restart, which the rollout would bring with it. Restart the member first (patronictl restart), or take the setting back.',
      node.node,
    ),
    yesNo(
      'no-scheduled-restart',
      !member.scheduledRestart,
      'No restart is scheduled.',
      'A restart is scheduled. Let it happen, or delete it (patronictl flush CLUSTER MEMBER restart).',
      node.node,
    ),
    yesNo(
      'watchdog',
      !member.isWatchdogFailed,
      'Its watchdog does not stand in the way.',
      'Patroni requires a watchdog and cannot use it here: this member would never be promoted. See its device and rights.',
      node.node,
    ),
    yesNo(
      'unit',
      unit === undefined ? null : unit.enabled && !unit.held && !unit.tagged,
      `${unit?.name} starts with the host.`,
      unitWords(node),
      node.node,
    ),
    yesNo(
      'nofailover-declared',
      !member.tags.nofailover || unit?.tagged === true || node.notPromotable !== undefined,
      'It has no tag nofailover of its owner’s that is not declared.',
      'It has the tag nofailover. If it is to stay, say so in the node’s "notPromotable", with the reason; else take it away: it could not be told from one of a drain.',
      node.node,
    ),
    // Not a fault: it is patched as a standby and never promoted.
    {
      check: 'promotable',
      node: node.node,
      passed: true,
      detail: reason === undefined ? 'It may lead.' : `It will not be promoted: ${reason}.`,
    },
  ];
}

function unitWords(node: PatroniNode): string {
  const { unit } = node;
  if (!unit.seen) return `Its host could not be looked at: ${unit.reason}.`;
  if (unit.held || unit.tagged)
    return `An earlier drain was not ended: ${unit.name} is ${unit.held ? 'held' : 'tagged'}. Join and release the node first.`;
  return `${unit.name} does not start with the host: after a reboot the member would stay away. Enable it (systemctl enable ${unit.name}).`;
}

function standbyChecks(snapshot: PatroniSnapshot, leader: PatroniNode): readonly CheckResult[] {
  const standbys = snapshot.nodes.filter((node) => node !== leader);
  const fit = standbys.filter((node) => isFit(snapshot, node)).map(({ node }) => node);
  return [
    ...standbys.flatMap((node) => replicationChecks(snapshot, node, leader)),
    sendersCheck(leader),
    yesNo('promotable-standby', fit.length > 0, `Can take over: ${fit.join(', ')}.`, 'No standby could take over now.'),
  ];
}

/** Shared with the validation of a standby. */
export function replicationChecks(snapshot: PatroniSnapshot, node: PatroniNode, leader: PatroniNode): readonly CheckResult[] {
  const member = apiOf(node)?.member;
  const timeline = timelineOf(node);
  const lag = lagBytes(snapshot, node);
  const isStreaming = streams(snapshot, node);
  return [
    yesNo(
      'streaming',
      isStreaming,
      `It streams from ${leader.node}.`,
      `It does not stream from ${leader.node} on its timeline. Look at its log and at pg_stat_wal_receiver.`,
      node.node,
    ),
    {
      check: 'timeline',
      node: node.node,
      passed: timeline === null ? null : timeline === timelineOf(leader),
      detail: `It is on timeline ${timeline ?? 'unknown'}, ${leader.node} on ${timelineOf(leader) ?? 'unknown'}.`,
    },
    {
      check: 'lag',
      node: node.node,
      passed: lag === null ? null : lagsWithin(snapshot, node),
      detail: `${lag ?? 'An unknown number of'} bytes behind ${leader.node}; maximum_lag_on_failover is ${ceilingBytes(snapshot)}.`,
    },
    yesNo(
      'replay',
      member === undefined ? null : !member.replayPaused,
      'It replays what it receives.',
      'Its replay is paused: Patroni shows a lag of 0 all the same. Resume it (select pg_wal_replay_resume()).',
      node.node,
    ),
  ];
}

function sendersCheck(leader: PatroniNode): CheckResult {
  const server = serverOf(leader);
  const behind = (server?.senders ?? []).filter((sender) => sender.state !== 'streaming' || sender.confirmedLsn === null);
  const words = behind.map((sender) => `${sender.applicationName} (pid ${sender.pid}) is in state ${sender.state}`).join('; ');
  return yesNo(
    'wal-senders',
    server === undefined ? null : behind.length === 0,
    'Every WAL sender streams and is answered.',
    server === undefined
      ? `The server of ${leader.node} does not answer over SQL.`
      : `${words}. A stop of ${leader.node} would wait for it.`,
    leader.node,
  );
}

/** Whether the helper could let Patroni read its tag: it changes how the unit is started, and refuses what it does not know. */
async function tagCheck({ settings, host }: SessionNode, deadlineMs: number): Promise<CheckResult> {
  const tried = await host.access.run({ argv: privileged('patroni-tag', 'check'), deadlineMs });
  const passed = tried.status === 'unknown' ? null : tried.code === 0;
  const words = tried.status === 'unknown' ? tried.reason : tried.stderr.trim().slice(0, 300);
  return yesNo('tag', passed, 'It can be taken out of election for its patch.', `The helper says: ${words}.`, settings.node);
}

async function diskCheck(session: Session, node: SessionNode, deadlineMs: number): Promise<CheckResult> {
  const slug = node.settings.node;
  const asked = await session.connections.query<{ folder: string }>(
    node.settings,
    "select current_setting('data_directory') as folder",
    [],
    deadlineMs,
  );
  const folder = asked.status === 'rows' ? asked.rows[0]?.folder : undefined;
  if (folder === undefined) return freeSpaceCheck(slug, null);
  // The folder itself is closed to our account; its file system is told for the nearest folder above that is not.
  const program = 'd=$1; while [ "$d" != / ] && ! df -P -k "$d" >/dev/null 2>&1; do d=$(dirname "$d"); done; df -P -k "$d"';
  const df = await node.host.access.run({ argv: ['sh', '-c', program, 'look', folder], deadlineMs });
  return freeSpaceCheck(slug, df.status === 'exited' && df.code === 0 ? df.stdout : null);
}
