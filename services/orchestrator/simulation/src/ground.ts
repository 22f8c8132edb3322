import type { ClusterDefinition } from '@understudy/cluster';
import { createWorld, isUp, takesWrites, tick, write, type World } from '@understudy/simulated-cluster';
import { newLife, type Life, type Scheduler } from './scheduler.js';

/** The ground truth: clusters, the hosts under them, and what runs there. Nobody of the product looks at it directly. */

/** By whose hand something changed: an act of ours, somebody else's, or what the world does by itself. */
export type Hand = 'ours' | 'foreign' | 'world';

export interface SimulatedJob {
  readonly jobId: string;
  readonly startedAtMs: number;
  status: 'running' | 'exited' | 'lost';
  code: number;
}

/** One host: what runs on it ends with it. */
export interface Box {
  readonly slug: string;
  /** Of everything that runs there now; another one after each boot. */
  life: Life;
  readonly jobs: Map<string, SimulatedJob>;
  rebootPending: boolean;
  bootedMs: number;
}

export interface Gap {
  readonly fromMs: number;
  toMs: number;
}

export interface Foreign {
  readonly atMs: number;
  readonly what: string;
  /** It can have made a second writer, or lost writes. */
  readonly moved: boolean;
}

export interface Site {
  readonly slug: string;
  readonly definition: ClusterDefinition;
  world: World;
  /** What other people did to it, oldest first. */
  readonly foreign: Foreign[];
  /** When anything but our own acts last changed it, milliseconds since the epoch. */
  disturbedMs: number;
  /** Times in which nobody took writes, oldest first; the last one may be open (`toMs` = Infinity). */
  readonly gaps: Gap[];
  wroteMs: number;
}

/** Told of every change, at once. */
export interface Watcher {
  changed(site: Site, before: World, hand: Hand): void;
}

/** A clean stop may wait for a receiver: then time goes in such steps, in milliseconds. */
const STOPPING_STEP_MS = 50;
/** At most one client writes per cluster in so many milliseconds. */
const WRITE_EVERY_MS = 10;

export class Ground {
  readonly sites = new Map<string, Site>();
  readonly boxes = new Map<string, Box>();
  /** Sites by their hosts: which there are never changes once all have settled. */
  private readonly carrying = new Map<string, readonly Site[]>();
  watcher: Watcher | null = null;

  constructor(readonly scheduler: Scheduler) {}

  settle(definition: ClusterDefinition, version: string, pace: Partial<World['pace']>): Site {
    const { slug } = definition;
    const nodes = definition.nodes.map((node) => ({ node: node.slug, host: node.host }));
    const made = createWorld({ cluster: slug, workload: definition.workloads[0] ?? slug, nodes, version, pace });
    const world = { ...made, nowMs: this.scheduler.nowMs };
    const site: Site = { slug, definition, world, foreign: [], disturbedMs: 0, gaps: [], wroteMs: 0 };
    this.sites.set(slug, site);
    this.carrying.clear();
    for (const host of definition.hosts) if (!this.boxes.has(host.slug)) this.boxes.set(host.slug, newBox(host.slug));
    return site;
  }

  /** @throws for a name that is not there: a mistake of the caller. */
  site(slug: string): Site {
    const found = this.sites.get(slug);
    if (found === undefined) throw new Error(`There is no cluster ${slug}.`);
    this.sync(found);
    return found;
  }

  /** @throws as `site`. */
  box(slug: string): Box {
    const found = this.boxes.get(slug);
    if (found === undefined) throw new Error(`There is no host ${slug}.`);
    return found;
  }

  sitesOn(host: string): readonly Site[] {
    const known = this.carrying.get(host);
    if (known !== undefined) return known;
    const found = [...this.sites.values()].filter((site) => site.world.hosts[host] !== undefined);
    this.carrying.set(host, found);
    return found;
  }

  /** The orchestrators' link to it is there, and it is up. A host without a node (the probe's) always is. */
  answers(host: string): boolean {
    return this.sitesOn(host).every((site) => {
      this.sync(site);
      return site.world.hosts[host]?.linked === true && isUp(site.world, host);
    });
  }

  isUp(host: string): boolean {
    return this.sitesOn(host).every((site) => {
      this.sync(site);
      return isUp(site.world, host);
    });
  }

  /** @returns whether anything changed. */
  change(slug: string, hand: Hand, change: (world: World) => World): boolean {
    const site = this.site(slug);
    const before = site.world;
    const next = change(before);
    if (next === before) return false;
    site.world = next;
    if (hand !== 'ours') site.disturbedMs = this.scheduler.nowMs;
    this.after(site, before, hand);
    return true;
  }

  /** The same change on every cluster of a host. */
  changeHost(host: string, hand: Hand, change: (world: World) => World): boolean {
    return this.sitesOn(host)
      .map((site) => this.change(site.slug, hand, change))
      .some((changed) => changed);
  }

  /** Power is gone: what ran on the host dies with it, and another life begins. */
  cut(host: string): void {
    const box = this.box(host);
    box.life.alive = false;
    box.life = newLife();
    box.rebootPending = false;
    box.bootedMs = this.scheduler.nowMs;
    for (const job of box.jobs.values()) if (job.status === 'running') job.status = 'lost';
  }

  note(slug: string, what: string, moved: boolean): void {
    this.site(slug).foreign.push({ atMs: this.scheduler.nowMs, what, moved });
  }

  private sync(site: Site): void {
    const { nowMs } = this.scheduler;
    while (site.world.nowMs < nowMs) {
      const before = site.world;
      site.world = tick(before, nextMs(before, nowMs) - before.nowMs);
      this.after(site, before, 'world');
    }
    if (nowMs - site.wroteMs >= WRITE_EVERY_MS) this.write(site);
  }

  /** A client for each node that takes writes: also for the one that should not. */
  private write(site: Site): void {
    site.wroteMs = this.scheduler.nowMs;
    for (const node of Object.values(site.world.nodes)) if (takesWrites(node)) site.world = write(site.world, node.node).world;
  }

  private after(site: Site, before: World, hand: Hand): void {
    const serves = Object.values(site.world.nodes).some(takesWrites);
    const last = site.gaps.at(-1);
    const open = last !== undefined && last.toMs === Infinity;
    if (serves && open) last.toMs = site.world.nowMs;
    if (!serves && !open) site.gaps.push({ fromMs: site.world.nowMs, toMs: Infinity });
    this.watcher?.changed(site, before, hand);
  }
}

function newBox(slug: string): Box {
  return { slug, life: newLife(), jobs: new Map(), rebootPending: false, bootedMs: 0 };
}

/** The next moment at which something ends by itself, at the latest `untilMs`. */
function nextMs(world: World, untilMs: number): number {
  let next = untilMs;
  for (const host of Object.values(world.hosts)) {
    if (host.upAtMs !== null && host.upAtMs < next) next = Math.max(host.upAtMs, world.nowMs + 1);
  }
  for (const { service } of Object.values(world.nodes)) {
    if (service.state === 'starting' || service.state === 'stopping') {
      const dueMs = service.untilMs > world.nowMs ? service.untilMs : world.nowMs + STOPPING_STEP_MS;
      next = Math.min(next, dueMs);
    }
  }
  return next;
}
