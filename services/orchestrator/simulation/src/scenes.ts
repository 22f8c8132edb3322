import { attachedTo, beginStart, inject, nodeOf, promote, takesWrites } from '@understudy/simulated-cluster';
import type { PlannedFault } from './faults.js';
import type { Site } from './ground.js';
import type { Effect } from './hosts.js';
import type { Stored } from './log.js';
import { Random } from './random.js';
import type { Window } from './window.js';

/** Faults that wait for their moment: chance alone meets it too rarely. One that was set strikes when its moment comes. */

const SCENES = ['receiver-hung-in-drain', 'promotion-in-join', 'start-in-patch'] as const;
type Scene = (typeof SCENES)[number];

export const SCENE_CLASSES: readonly string[] = SCENES;
/** Few clusters have what the first one needs. */
const DRAWN: readonly Scene[] = ['receiver-hung-in-drain', ...SCENES];

/** Set so early in a window's steps that most moments are still to come. */
const SET_BY_STEP = 600;
/** How long a receiver hangs, in milliseconds. */
const HUNG_MS = { from: 5_000, to: 40_000 };
/** A node that was started is looked at so often, so many milliseconds apart, until it follows. */
const MOST_LOOKS = 100;
const LOOK_EVERY_MS = 10;
/** Somebody promotes at most so long after that, in milliseconds. */
const PROMOTED_WITHIN_MS = 150;
/** The shortest patch takes longer. */
const STARTED_WITHIN_MS = 700;

/** Those of a window, from a generator of their own, behind its other faults. */
export function planScenes(chance: Random, others: readonly PlannedFault[]): readonly PlannedFault[] {
  const most = chance.pick([0, 0, 0, 1, 1]);
  const scenes = Array.from({ length: most }, (_, index) => ({
    id: others.length + index,
    fault: chance.pick(DRAWN),
    fromStep: chance.int(0, SET_BY_STEP),
    seed: chance.int(0, 0x7fff_ffff),
  }));
  return [...others, ...scenes].sort((left, right) => left.fromStep - right.fromStep);
}

export class Scenes {
  private readonly set: { readonly scene: Scene; readonly chance: Random }[] = [];

  constructor(private readonly window: Window) {}

  /** False when it is none of these. */
  arm({ fault, seed }: PlannedFault): boolean {
    const scene = SCENES.find((each) => each === fault);
    if (scene !== undefined) this.set.push({ scene, chance: new Random(seed) });
    return scene !== undefined;
  }

  disarm(): void {
    this.set.length = 0;
  }

  appended(stored: readonly Stored[]): void {
    if (this.set.length === 0) return;
    for (const { stream, event } of stored) {
      if (event.type !== 'StepRequested') continue;
      const site = siteOf(this.window, stream);
      const { ask } = event.data;
      if (site === null) continue;
      if (ask.ask === 'verb' && ask.verb === 'drain')
        this.play('receiver-hung-in-drain', (chance) => this.hang(site, ask.node, chance));
      if (ask.ask === 'job' && ask.job !== 'reboot')
        this.play('start-in-patch', (chance) => this.startSoon(site, ask.node, chance));
    }
  }

  /** Told of each act of ours in the moment before it takes place. */
  acting(site: Site, { act, key }: Effect): void {
    if (this.set.length === 0 || act.act !== 'start') return;
    const [rolloutId = '', stepId] = key.split('/');
    const step = this.window.stateOf(rolloutId).steps.find((each) => each.step.stepId === stepId);
    if (step?.step.kind === 'join')
      this.play('promotion-in-join', (chance) => this.promoteWhenUp(site, act.node, chance, MOST_LOOKS));
  }

  private play(scene: Scene, strike: (chance: Random) => boolean): void {
    const at = this.set.findIndex((each) => each.scene === scene);
    const found = this.set[at];
    if (found !== undefined && strike(found.chance)) this.set.splice(at, 1);
  }

  /** Whoever would count for commits in place of the node that is drained hangs from the first moment of the drain. */
  private hang(site: Site, leaving: string, chance: Random): boolean {
    const active = Object.values(site.world.nodes).find(takesWrites);
    if (active === undefined || !active.synchronous.names.includes(leaving)) return false;
    const others = attachedTo(site.world, active.node)
      .map((standby) => standby.node)
      .filter((node) => node !== leaving && active.synchronous.names.includes(node));
    if (others.length === 0) return false;
    const { ground } = this.window;
    for (const node of others) {
      ground.change(site.slug, 'world', (world) => inject(world, { fault: 'freeze', node }));
      this.window.later(chance.int(HUNG_MS.from, HUNG_MS.to), () =>
        ground.change(site.slug, 'world', (world) => inject(world, { fault: 'thaw', node })),
      );
    }
    this.window.struck('receiver-hung-in-drain', others.join(', '));
    return true;
  }

  /** Somebody starts the node that is being patched: it runs by the time that its host is to reboot. */
  private startSoon(site: Site, node: string, chance: Random): boolean {
    const { ground } = this.window;
    this.window.later(chance.int(0, STARTED_WITHIN_MS), () => {
      if (nodeOf(ground.site(site.slug).world, node).service.state !== 'stopped') return;
      ground.note(site.slug, `start of ${node}`, false);
      if (ground.change(site.slug, 'foreign', (world) => beginStart(world, node))) this.window.struck('start-in-patch', node);
    });
    return true;
  }

  /** Somebody promotes a standby while a node is brought back: that one, or another. */
  private promoteWhenUp(site: Site, joining: string, chance: Random, looksLeft: number): boolean {
    const { window } = this;
    const { service } = nodeOf(window.ground.site(site.slug).world, joining);
    if (looksLeft === 0 || window.calm) return true;
    if (service.state !== 'running')
      window.later(LOOK_EVERY_MS, () => void this.promoteWhenUp(site, joining, chance, looksLeft - 1));
    else window.later(chance.int(0, PROMOTED_WITHIN_MS), () => this.promoteOne(site, joining, chance));
    return true;
  }

  private promoteOne(site: Site, joining: string, chance: Random): void {
    const { ground } = this.window;
    const standbys = Object.values(ground.site(site.slug).world.nodes)
      .filter(({ service }) => service.state === 'running' && service.recovering)
      .map(({ node }) => node);
    if (standbys.length === 0) return;
    const node = chance.chance(0.5) && standbys.includes(joining) ? joining : chance.pick(standbys);
    ground.note(site.slug, `promotion of ${node}`, true);
    ground.change(site.slug, 'foreign', (world) => promote(world, node).world);
    this.window.struck('promotion-in-join', node);
  }
}

function siteOf({ patients, ground }: Window, stream: string): Site | null {
  const patient = patients.find(({ rolloutId }) => stream === `rollout/${rolloutId}`);
  return patient === undefined ? null : ground.site(patient.definition.slug);
}
