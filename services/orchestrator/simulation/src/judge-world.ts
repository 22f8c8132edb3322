import { attachedTo, lostBytes, nodeOf, takesWrites, writableNodes, type World } from '@understudy/simulated-cluster';
import type { Hand, Site } from './ground.js';
import type { ActCall } from './hosts.js';
import type { JobCall } from './jobs.js';
import type { Judge } from './judge.js';
import type { RolloutRecord, StepRecord } from './record.js';

/** Effects, and the world itself, against the invariants. What somebody else brought about is not our doing. */

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

export function judgeAct(judge: Judge, site: Site, call: Pick<ActCall, 'act' | 'key' | 'fence'>): void {
  const asked = askedBy(judge, call.key);
  if (asked === null) return;
  const { act } = call;
  const node = nodeOf(site.world, act.node);
  const switches = asked.step.step.kind === 'switchover';
  const takesAway = act.act === 'stop' || act.act === 'mark-drained' || act.act === 'stop-active' || act.act === 'stop-at-once';
  if (takesAway && !switches && takesWrites(node) && !isDisturbed(site, asked.step))
    judge.breach('1', `${call.key}: ${act.node} serves, and is taken out.`);
  if (act.act === 'mark-drained') judge.drained.add(`${site.slug}/${act.node}`);
  if (act.act === 'release') judge.drained.delete(`${site.slug}/${act.node}`);
  if (act.act === 'mark-drained' || act.act === 'stop') commits(judge, site, asked, call);
  if (act.act === 'promote') promotion(judge, site, act.node, call.key);
  frozen(judge, asked, call);
}

/** Draining a node never stops the active from accepting writes. */
function commits(judge: Judge, site: Site, asked: Asked, { act, key }: Pick<ActCall, 'act' | 'key'>): void {
  const active = Object.values(site.world.nodes).find(takesWrites);
  if (active === undefined || asked.step.step.kind !== 'drain' || isDisturbed(site, asked.step)) return;
  const { needed, names } = active.synchronous;
  const others = attachedTo(site.world, active.node).filter(
    (node) => names.includes(node.node) && node.node !== act.node && !node.frozen,
  );
  if (names.includes(act.node) && others.length < needed)
    judge.breach('2', `${key}: commits on ${active.node} wait for ${act.node}, and it is taken away.`);
}

/** Where we promote, the old active is stopped and durably a standby, and nothing acknowledged is missing. */
function promotion(judge: Judge, site: Site, target: string, key: string): void {
  if (wasMoved(site) || takesWrites(nodeOf(site.world, target))) return;
  const others = Object.values(site.world.nodes).filter((node) => node.node !== target);
  const primary = others.find((node) => takesWrites(node) || !node.disk.standby);
  if (primary !== undefined) judge.breach('17', `${key}: ${target} is promoted, and ${primary.node} is not a standby.`);
  const lost = lostBytes(site.world, target);
  if (lost > 0) judge.breach('17', `${key}: ${target} is promoted without ${lost} bytes that clients were told are safe.`);
}

/** Acts may be on their way for so long, in milliseconds, when a freeze is heard. */
const FREEZE_HEARD_MS = 15_000;

function frozen(judge: Judge, { kept, step }: Asked, call: Pick<ActCall, 'key'>): void {
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
  if (takesWrites(nodeOf(site.world, node))) judge.breach('1', `${call.key}: ${node} serves.`);
  if (!nodeOf(site.world, node).disk.drained) judge.breach('2', `${call.key}: ${node} is not drained.`);
  for (const other of judge.window.ground.sitesOn(call.host)) {
    if (other === site || isDisturbed(other, asked.step)) continue;
    const serving = Object.values(other.world.nodes).find((each) => each.host === call.host && takesWrites(each));
    if (serving !== undefined) judge.breach('1', `${call.key}: ${serving.node} of ${other.slug} serves on ${call.host}.`);
  }
}

/** No effect twice: not while an earlier attempt runs, and not when it has done its work. */
function once(judge: Judge, site: Site, call: JobCall, asked: Asked): void {
  const [rolloutId, stepId, attempt] = call.key.split('/');
  const { jobs } = judge.window.ground.box(call.host);
  for (let earlier = 1; earlier < Number(attempt); earlier += 1) {
    const job = jobs.get(`${rolloutId}-${stepId}-${earlier}`);
    if (job?.status === 'running') judge.breach('6', `${call.key}: attempt ${earlier} still runs.`);
    const { ask } = call;
    const installed = nodeOf(site.world, ask.node).disk.installedVersion;
    const isThere = ask.job === 'patch' && installed === ask.item.targetVersion;
    if (job?.status === 'exited' && isThere && !isDisturbed(site, asked.step))
      judge.breach('6', `${call.key}: attempt ${earlier} has installed ${installed} already.`);
  }
  if (call.ask.job !== 'reboot') return;
  const { boots } = site.world.hosts[call.host] ?? { boots: 0 };
  const first = judge.reboots.get(`${rolloutId}/${stepId}`);
  if (first === undefined) judge.reboots.set(`${rolloutId}/${stepId}`, { boots, atMs: judge.window.scheduler.nowMs });
  else if (boots > first.boots && site.disturbedMs < first.atMs)
    judge.breach('6', `${call.key}: an earlier attempt has rebooted ${call.host} already.`);
}

export function judgeWorld(judge: Judge, site: Site, before: World, hand: Hand): void {
  const writers = writableNodes(site.world);
  if (writers.length > 1 && !wasMoved(site) && writableNodes(before).length < 2)
    judge.breach('17', `${writers.join(' and ')} both take writes (by the hand of: ${hand}).`);
  if (writers.length > 1) judge.window.note('two nodes take writes');
}
