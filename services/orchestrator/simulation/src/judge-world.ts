import { attachedTo, lostBytes, nodeOf, takesWrites, writableNodes, type World } from '@understudy/simulated-cluster';
import type { Hand, Site } from './ground.js';
import type { Effect } from './hosts.js';
import type { JobCall } from './jobs.js';
import type { Judge } from './judge.js';
import type { RolloutRecord, StepRecord } from './record.js';

/** Effects, and the world itself, against the invariants. What somebody else brought about is not our doing. */

/** The longest that one act may run, in milliseconds. */
const ACT_LIMIT_MS = 10_000;
/** A look is made so long, in milliseconds, before what is decided on it, at most, where nothing is late. */
const LOOKED_BEFORE_MS = 3_000;

interface Asked {
  readonly kept: RolloutRecord;
  readonly step: StepRecord;
}

/** The request that stands behind a key; every effect has one. */
function askedBy(judge: Judge, key: string): Asked | null {
  const [rolloutId = '', stepId = '', attempt = ''] = key.split('/');
  const kept = judge.record(rolloutId);
  const step = kept.step(stepId);
  if (step === undefined || step.requested === null || step.attempt < Number(attempt)) {
    judge.breach('6', `${key} takes place, and nothing in the log asked for it.`);
    return null;
  }
  return { kept, step };
}

/** Did anything but our own acts change this cluster since that step was decided? */
export function isDisturbed(site: Site, step: StepRecord): boolean {
  return site.disturbedMs >= Date.parse(step.requested?.at ?? '') - LOOKED_BEFORE_MS;
}

export function wasMoved(site: Site): boolean {
  return site.foreign.some((each) => each.moved);
}

const TAKES_AWAY: ReadonlySet<string> = new Set(['stop', 'mark-drained', 'stop-active', 'stop-at-once']);

export function judgeAct(judge: Judge, site: Site, call: Effect): void {
  const asked = askedBy(judge, call.key);
  if (asked === null) return;
  const { act } = call;
  const { kind } = asked.step.step;
  if (site.disturbedMs < call.lookedAtMs && kind !== 'switchover') takingAway(judge, site, kind, call);
  if (act.act === 'mark-drained') judge.drained.add(`${site.slug}/${act.node}`);
  if (act.act === 'release') judge.drained.delete(`${site.slug}/${act.node}`);
  if (act.act === 'promote' && !call.inVain) promotion(judge, site, act.node, call.key);
  atOnce(judge, site, call);
  frozen(judge, asked, call);
}

/** Where nobody else changed anything since the look that the act was decided on. */
function takingAway(judge: Judge, site: Site, kind: string, call: Effect): void {
  const { act, key } = call;
  if (!TAKES_AWAY.has(act.act)) return;
  const node = nodeOf(site.world, act.node);
  judge.when(takesWrites(node), '1', () => `${key}: ${act.node} serves, and is taken out.`);
  if (kind !== 'drain') return;
  const early = act.act === 'stop' && !node.disk.drained;
  judge.when(early, '2', () => `${key}: ${act.node} is stopped before it is marked: a reboot would bring it back.`);
  commits(judge, site, call);
}

/** One act of a rollout at a time: what was begun somewhere and may still run is waited for. */
function atOnce(judge: Judge, site: Site, call: Effect): void {
  const { nowMs } = judge.window.scheduler;
  const [rolloutId = ''] = call.key.split('/');
  for (const { host, journal } of Object.values(site.world.hosts)) {
    const box = judge.window.ground.box(host);
    const open = journal.find(
      (entry) =>
        entry.ended === null &&
        !judge.answered.has(entry.key) &&
        entry.key !== call.key &&
        entry.key.startsWith(`${rolloutId}/`) &&
        entry.begunAtMs > Math.max(nowMs - ACT_LIMIT_MS, box.bootedMs) &&
        entry.begunAtMs < call.lookedAtMs,
    );
    judge.when(open !== undefined, '6', () => `${call.key} takes place while ${open?.key} may still run on ${host}.`);
  }
}

/** Draining a node never stops the active from accepting writes: others count in its place, and a receiver that hangs does not. */
function commits(judge: Judge, site: Site, { act, key }: Effect): void {
  const active = Object.values(site.world.nodes).find(takesWrites);
  if (active === undefined) return;
  const { needed, names } = active.synchronous;
  const others = attachedTo(site.world, active.node).filter(
    (node) => names.includes(node.node) && node.node !== act.node && !node.frozen,
  );
  judge.when(
    names.includes(act.node) && others.length < needed,
    '2',
    () => `${key}: commits on ${active.node} wait for ${act.node}, and it is taken away.`,
  );
}

/** Where we promote, the old active is stopped and durably a standby, and nothing acknowledged is missing. */
function promotion(judge: Judge, site: Site, target: string, key: string): void {
  if (wasMoved(site) || takesWrites(nodeOf(site.world, target))) return;
  const others = Object.values(site.world.nodes).filter((node) => node.node !== target);
  const primary = others.find((node) => takesWrites(node) || !node.disk.standby);
  judge.when(primary !== undefined, '17', () => `${key}: ${target} is promoted, and ${primary?.node} is not a standby.`);
  const lost = lostBytes(site.world, target);
  judge.when(lost > 0, '17', () => `${key}: ${target} is promoted without ${lost} bytes that clients were told are safe.`);
}

/** Acts may be on their way for so long, in milliseconds, when a freeze is heard. */
const FREEZE_HEARD_MS = 15_000;

function frozen(judge: Judge, { kept, step }: Asked, call: Effect): void {
  const { nowMs } = judge.window.scheduler;
  if (kept.stands !== 'frozen' || step.step.kind === 'switchover' || nowMs - kept.frozenAtMs < FREEZE_HEARD_MS) return;
  if (judge.window.hadSilence(kept.frozenAtMs)) return;
  judge.breach('freeze', `${call.key} takes place in a rollout that has been frozen for ${nowMs - kept.frozenAtMs} ms.`);
}

export function judgeJob(judge: Judge, site: Site, call: JobCall): void {
  const asked = askedBy(judge, call.key);
  if (asked === null) return;
  once(judge, site, call, asked);
  if (isDisturbed(site, asked.step)) return;
  const { node } = call.ask;
  judge.when(takesWrites(nodeOf(site.world, node)), '1', () => `${call.key}: ${node} serves.`);
  const { disk, service } = nodeOf(site.world, node);
  judge.when(!disk.drained && service.state !== 'stopped', '2', () => `${call.key}: ${node} is not drained, and runs.`);
  for (const other of judge.window.ground.sitesOn(call.host)) {
    if (other === site || isDisturbed(other, asked.step)) continue;
    const serving = Object.values(other.world.nodes).find((each) => each.host === call.host && takesWrites(each));
    judge.when(serving !== undefined, '1', () => `${call.key}: ${serving?.node} of ${other.slug} serves on ${call.host}.`);
  }
}

/** No effect twice: not while an earlier attempt runs, and not when it has done its work. */
function once(judge: Judge, site: Site, call: JobCall, asked: Asked): void {
  const [rolloutId, stepId, attempt] = call.key.split('/');
  const { jobs } = judge.window.ground.box(call.host);
  for (let earlier = 1; earlier < Number(attempt); earlier += 1) {
    const job = jobs.get(`${rolloutId}-${stepId}-${earlier}`);
    judge.when(job?.status === 'running', '6', () => `${call.key}: attempt ${earlier} still runs.`);
    const { ask } = call;
    const installed = nodeOf(site.world, ask.node).disk.installedVersion;
    const isThere = ask.job === 'patch' && installed === ask.item.targetVersion;
    const byOthers = site.foreign.some(({ atMs }) => atMs >= (job?.startedAtMs ?? 0));
    judge.when(
      job?.status === 'exited' && isThere && !byOthers && !isDisturbed(site, asked.step),
      '6',
      () => `${call.key}: attempt ${earlier} has installed ${installed} already.`,
    );
  }
  if (call.ask.job !== 'reboot') return;
  const { boots } = site.world.hosts[call.host] ?? { boots: 0 };
  const first = judge.reboots.get(`${rolloutId}/${stepId}`);
  if (first === undefined) judge.reboots.set(`${rolloutId}/${stepId}`, { boots, atMs: judge.window.scheduler.nowMs });
  else
    judge.when(
      boots > first.boots && site.disturbedMs < first.atMs,
      '6',
      () => `${call.key}: an earlier attempt has rebooted ${call.host} already.`,
    );
}

export function judgeWorld(judge: Judge, site: Site, before: World, hand: Hand): void {
  const writers = writableNodes(site.world);
  if (writers.length < 2) return;
  judge.when(
    !wasMoved(site) && writableNodes(before).length < 2,
    '17',
    () => `${writers.join(' and ')} both take writes (by the hand of: ${hand}).`,
  );
  judge.window.note('two nodes take writes');
}
