import {
  beginStart,
  beginStop,
  inject,
  install,
  markDrained,
  nodeOf,
  promote,
  takesWrites,
  write,
} from '@understudy/simulated-cluster';
import type { RolloutCommand } from '@understudy/orchestrator-domain';
import type { Arm } from './arms.js';
import { NEW_VERSION } from './fleet.js';
import { switchOverByHand } from './foreign.js';
import type { Site } from './ground.js';
import { OTTO, VERA } from './people.js';
import { Random } from './random.js';
import { SCENE_CLASSES } from './scenes.js';
import type { Window } from './window.js';

/** What goes wrong, and what other people do. A fault that changes nothing does not count. */

/** Strikes at once, where it finds somebody to strike. True when it changed something. */
type Blow = (window: Window, chance: Random) => boolean;

const ARMS: readonly Arm[] = [
  'request-lost',
  'request-late',
  'request-doubled',
  'answer-lost',
  'act-slow',
  'look-late',
  'look-partial',
  'patch-half',
  'patch-broken',
  'patch-slow',
  'reboot-for-ever',
  'reboot-ignored',
  'commit-lost',
  'drift-lost',
  'drift-doubled',
  'drift-late',
  'drift-reordered',
];

const BLOWS: Readonly<Record<string, Blow>> = {
  'process-killed': (window, chance) => {
    const alive = window.processes.filter((each) => each.life.alive);
    if (alive.length === 0) return false;
    const victim = chance.pick(alive);
    window.kill(victim, chance.chance(0.7) ? chance.int(500, 10_000) : chance.int(60_000, 180_000));
    return true;
  },
  'process-frozen': (window, chance) => {
    const awake = window.processes.filter((each) => each.life.alive && !each.life.frozen);
    if (awake.length === 0) return false;
    window.freeze(chance.pick(awake), chance.int(200, 90_000));
    return true;
  },
  'clock-jump': (window, chance) => {
    const alive = window.processes.filter((each) => each.life.alive);
    if (alive.length === 0) return false;
    chance.pick(alive).skewMs = chance.int(-120_000, 120_000);
    return true;
  },
  'store-away': (window, chance) => {
    if (window.store.away) return false;
    window.store.away = true;
    window.later(chance.int(200, 45_000), () => void (window.store.away = false));
    return true;
  },
  'host-unlinked': (window, chance) => {
    const host = anyHost(window, chance);
    const cut = window.ground.changeHost(host, 'world', (world) => inject(world, { fault: 'unlink', host }));
    window.later(chance.int(500, 40_000), () =>
      window.ground.changeHost(host, 'world', (world) => inject(world, { fault: 'link', host })),
    );
    return cut;
  },
  'host-power-lost': (window, chance) => powerOff(window, anyHost(window, chance), chance.int(2_000, 60_000)),
  'host-gone': (window, chance) => powerOff(window, anyHost(window, chance), 'for-ever'),
  'server-killed': (window, chance) => onNode(window, chance, (site, node) => inject(site.world, { fault: 'kill', node })),
  'receiver-hung': (window, chance) => {
    const { site, node } = anyNode(window, chance);
    window.later(chance.int(1_000, 60_000), () => thaw(window, site, node));
    return window.ground.change(site.slug, 'world', (world) => inject(world, { fault: 'freeze', node }));
  },
  lag: (window, chance) => {
    const { site, node } = anyNode(window, chance);
    window.later(chance.int(5_000, 40_000), () => thaw(window, site, node));
    return window.ground.change(site.slug, 'world', (world) => {
      const hung = inject(world, { fault: 'freeze', node });
      const active = Object.values(hung.nodes).find(takesWrites);
      return active === undefined ? hung : write(hung, active.node, chance.int(1, 60) * 1_000_000).world;
    });
  },
  'probe-lost': (window) => {
    const running = window.probes().filter((job) => job.status === 'running');
    for (const job of running) job.status = 'lost';
    return running.length > 0;
  },
  'drift-finding': (window, chance) => {
    const { slug } = anySite(window, chance);
    const isNew = !window.people.drifted.has(slug);
    window.people.drifted.add(slug);
    window.later(chance.int(5_000, 120_000), () => window.people.drifted.delete(slug));
    return isNew;
  },
  'layer-unknown': (window, chance) => {
    const { slug } = anySite(window, chance);
    const isNew = !window.people.unclassified.has(slug);
    window.people.unclassified.add(slug);
    window.later(chance.int(1_000, 30_000), () => window.people.unclassified.delete(slug));
    return isNew;
  },

  // ------------------------------------------------------------ foreign hands
  'foreign-reboot': (window, chance) => powerOff(window, anyHost(window, chance), chance.int(1_000, 8_000), 'reboot'),
  'foreign-patch': (window, chance) => {
    const { site, node } = anyNode(window, chance);
    window.ground.note(site.slug, `patch of ${node}`, false);
    const version = chance.pick([NEW_VERSION, '17.11']);
    return window.ground.change(site.slug, 'foreign', (world) =>
      nodeOf(world, node).disk.installedVersion === version ? world : install(world, node, version),
    );
  },
  'returns-with-another-version': (window, chance) => {
    const { site, node } = anyNode(window, chance);
    window.ground.note(site.slug, `${node} rebuilt`, false);
    window.ground.change(site.slug, 'foreign', (world) => install(world, node, chance.pick(['17.8', '17.11', NEW_VERSION])));
    return powerOff(window, nodeOf(site.world, node).host, chance.int(2_000, 40_000), `rebuild of ${node}`);
  },
  'foreign-fence': (window, chance) =>
    onNode(window, chance, (site, node) => {
      window.fenced.add(`${site.slug}/${node}`);
      window.ground.note(site.slug, `fence of ${node}`, false);
      return beginStop(markDrained(site.world, node), node);
    }),
  'foreign-stop': (window, chance) => onNode(window, chance, (site, node) => beginStop(site.world, node)),
  'foreign-start': (window, chance) => {
    const down = window.nodes().filter(({ site, node }) => nodeOf(site.world, node).service.state === 'stopped');
    if (down.length === 0) return false;
    const { site, node } = chance.pick(down);
    window.ground.note(site.slug, `start of ${node}`, false);
    return window.ground.change(site.slug, 'foreign', (world) => beginStart(world, node));
  },
  'foreign-promotion': (window, chance) => {
    const { site, node } = anyNode(window, chance);
    const { service } = nodeOf(site.world, node);
    if (service.state !== 'running' || !service.recovering) return false;
    window.ground.note(site.slug, `promotion of ${node}`, true);
    return window.ground.change(site.slug, 'foreign', (world) => promote(world, node).world);
  },
  'foreign-failover': (window, chance) => {
    const site = anySite(window, chance);
    const active = Object.values(site.world.nodes).find(takesWrites);
    const standbys = Object.values(site.world.nodes).filter((node) => node.service.state === 'running' && !takesWrites(node));
    if (active === undefined || standbys.length === 0) return false;
    window.ground.note(site.slug, `failover from ${active.node}`, true);
    const target = chance.pick(standbys).node;
    return window.ground.change(
      site.slug,
      'foreign',
      (world) =>
        promote(
          inject(inject(world, { fault: 'kill', node: active.node }), { fault: 'disable-autostart', node: active.node }),
          target,
        ).world,
    );
  },
  'foreign-switchover': (window, chance) => switchOverByHand(window, anySite(window, chance), chance),

  // ------------------------------------------------------------ people who steer
  'person-holds': (window, chance) => window.order(chance, (at) => ({ type: 'Hold', by: OTTO, reason: 'wait a moment', at })),
  'person-resumes': (window, chance) => window.order(chance, (at) => ({ type: 'Resume', by: OTTO, at })),
  'person-aborts': (window, chance) =>
    chance.chance(0.4) && window.order(chance, (at) => ({ type: 'Abort', by: OTTO, reason: 'not tonight', at })),
  'person-freezes': (window, chance) => window.order(chance, (at) => ({ type: 'Freeze', by: OTTO, reason: 'hands off', at })),
  'person-without-right': (window, chance) =>
    window.order(chance, (at) =>
      chance.chance(0.5) ? { type: 'Abort', by: VERA, reason: 'may I?', at } : { type: 'Resume', by: VERA, at },
    ),
};

/** What a seed's list of faults is drawn from: its order and its length are what a seed means. */
const DRAWN: readonly string[] = [...Object.keys(BLOWS), ...ARMS];

/** Drawn for themselves, so that they change no other fault of a seed. */
const DRAWN_APART: Readonly<Record<string, Blow>> = {
  'person-rolls-back': (window, chance) => {
    const lossy = window.patients.filter(({ wayBack }) => wayBack === 'lossy');
    if (lossy.length > 0 && chance.chance(0.7)) {
      const { rolloutId } = chance.pick(lossy);
      onceTrue(window, MOST_LOOKS, () => turnsBackWhileMoving(window, rolloutId));
      return false;
    }
    const open = window.patients.filter(({ rolloutId }) => {
      const { status, steps } = window.stateOf(rolloutId);
      return status !== 'closed' && steps.some((step) => step.step.kind === 'patch' && step.attempt > 0);
    });
    if (open.length === 0) return false;
    const { rolloutId, definition } = chance.pick(open);
    const node = chance.chance(0.6) ? null : chance.pick(definition.nodes).slug;
    void window.people.give(rolloutId, turnBack(node));
    return true;
  },
  'owner-frozen': (window, chance) => {
    const forMs = chance.int(35_000, 90_000);
    onceTrue(window, MOST_LOOKS, () => freezesWhoMoves(window, forMs));
    return false;
  },
};

const turnBack =
  (node: string | null) =>
  (at: string): RolloutCommand => ({ type: 'RollBack', by: OTTO, reason: 'the application complains', node, at });

/** Looked for so often, so many milliseconds apart. */
const MOST_LOOKS = 300;
const LOOK_AGAIN_MS = 1_000;

function onceTrue(window: Window, looksLeft: number, act: () => boolean): void {
  if (act() || looksLeft === 0) return;
  window.later(LOOK_AGAIN_MS, () => onceTrue(window, looksLeft - 1, act));
}

/** Somebody says it while the workload moves to the patched standby: in time, and too late by the time it can be done. */
function turnsBackWhileMoving(window: Window, rolloutId: string): boolean {
  const moves = window
    .stateOf(rolloutId)
    .steps.some(({ step, status }) => step.kind === 'switchover' && step.phase === 'switchover' && status === 'requested');
  if (!moves) return false;
  void window.people.give(rolloutId, turnBack(null));
  window.struck('person-rolls-back', rolloutId);
  return true;
}

/** Who is in the middle of a switchover stands still until somebody else has taken it over, and then goes on with the next act. */
function freezesWhoMoves(window: Window, forMs: number): boolean {
  const moving = window.patients
    .map(({ rolloutId }) => window.stateOf(rolloutId))
    .find(({ steps }) => steps.some(({ step, status }) => step.kind === 'switchover' && status === 'requested'));
  const awake = window.processes.filter((each) => each.life.alive && !each.life.frozen);
  const owner = awake.find((each) => each.incarnation === moving?.owner?.incarnation);
  if (owner === undefined || awake.length < 2) return false;
  window.freeze(owner, forMs);
  window.struck('owner-frozen', owner.instance);
  return true;
}

export const FAULT_CLASSES: readonly string[] = [...DRAWN, ...Object.keys(DRAWN_APART), ...SCENE_CLASSES];

export interface PlannedFault {
  /** Its place in the seed's own list: what a shrunk history names. */
  readonly id: number;
  readonly fault: string;
  /** It strikes at the first chance from this step of the scheduler on. */
  readonly fromStep: number;
  readonly seed: number;
}

/** A window's faults out of its seed, in the order in which they strike. */
export function planFaults(chance: Random, most: number): readonly PlannedFault[] {
  const count = chance.int(0, most);
  const faults: PlannedFault[] = [];
  for (let id = 0; id < count; id += 1) {
    const fault = chance.pick(DRAWN);
    faults.push({
      id,
      fault,
      fromStep: chance.chance(0.1) ? chance.int(0, FIRST_STEP) : chance.int(FIRST_STEP, LAST_STEP),
      seed: chance.int(0, 0x7fff_ffff),
    });
  }
  return faults.sort((left, right) => left.fromStep - right.fromStep);
}

/** Those that are drawn apart, from a generator of their own, behind the seed's other faults. */
export function planApart(chance: Random, others: readonly PlannedFault[]): readonly PlannedFault[] {
  const most = chance.pick([0, 0, 1, 1, 2]);
  const faults = Array.from({ length: most }, (_, index) => ({
    id: others.length + index,
    fault: chance.pick(Object.keys(DRAWN_APART)),
    fromStep: chance.int(FIRST_STEP, LAST_STEP),
    seed: chance.int(0, 0x7fff_ffff),
  }));
  return [...others, ...faults].sort((left, right) => left.fromStep - right.fromStep);
}

/** A window without faults has about so many steps; before the first of them it is admitted. */
const FIRST_STEP = 80;
const LAST_STEP = 1_100;

/** @returns true when it changed something; an armed one counts when it strikes. */
export function strike(window: Window, planned: PlannedFault): boolean {
  const blow = BLOWS[planned.fault] ?? DRAWN_APART[planned.fault];
  if (blow !== undefined) return blow(window, new Random(planned.seed));
  if (window.scenes.arm(planned)) return false;
  window.arms.arm(planned.fault as Arm);
  return false;
}

function anySite(window: Window, chance: Random): Site {
  return window.ground.site(chance.pick([...window.ground.sites.keys()]));
}

function anyNode(window: Window, chance: Random): { readonly site: Site; readonly node: string } {
  return chance.pick(window.nodes());
}

function anyHost(window: Window, chance: Random): string {
  const { site, node } = anyNode(window, chance);
  return nodeOf(site.world, node).host;
}

function onNode(window: Window, chance: Random, change: (site: Site, node: string) => Site['world']): boolean {
  const { site, node } = anyNode(window, chance);
  return window.ground.change(site.slug, 'foreign', () => change(window.ground.site(site.slug), node));
}

function thaw(window: Window, site: Site, node: string): void {
  window.ground.change(site.slug, 'world', (world) => inject(world, { fault: 'thaw', node }));
}

function powerOff(window: Window, host: string, forMs: number | 'for-ever', what = 'power'): boolean {
  if (!window.ground.isUp(host)) return false;
  window.ground.cut(host);
  for (const site of window.ground.sitesOn(host)) window.ground.note(site.slug, `${what} of ${host}`, false);
  return window.ground.changeHost(host, 'foreign', (world) => inject(world, { fault: 'power-off', host, forMs }));
}
