import type { Fence, JournalEntry } from '@understudy/hosts';
import { beginOn, endStop, hasStopped, type ActedWorld, type PostgresAct } from '@understudy/platforms';
import { enter, hostOf, nodeOf, raise, recordEnd, type Entered, type World } from '@understudy/simulated-cluster';
import type { Arms } from './arms.js';
import type { Ground, Site } from './ground.js';
import type { Random } from './random.js';
import type { Life } from './scheduler.js';

/** What happens on the managed hosts themselves: the journal, and acts entered in it. */

export interface ActCall {
  readonly cluster: string;
  readonly act: PostgresAct;
  /** `<rollout>/<step>/<attempt>/<act>/<n>`. */
  readonly key: string;
  /** The step's key, as the driver writes it into a switchover's mark. */
  readonly stepKey: string;
  readonly fence: Fence;
  readonly deadlineMs: number;
  /** When the look that it was decided on began, by the world's clock. */
  readonly lookedAtMs: number;
}

export type ActAnswer =
  | { readonly status: 'ended'; readonly code: number; readonly detail: string }
  | { readonly status: 'unknown'; readonly detail: string }
  | { readonly status: 'fenced'; readonly seen: Fence };

/** Told of each effect of ours in the moment before it takes place. */
export interface EffectWatcher {
  acting(site: Site, call: Effect): void;
}

/** `inVain`: who carries it out will find that it is not as it was seen, and change nothing. */
export type Effect = Pick<ActCall, 'act' | 'key' | 'fence' | 'lookedAtMs'> & { readonly inVain: boolean };

/** Between two looks whether a stop is over, in milliseconds. */
const STOP_POLL_MS = 20;
/** What the host program needs of an act's time for itself, in milliseconds. */
const STOP_MARGIN_MS = 500;

export class Hosts {
  constructor(
    private readonly ground: Ground,
    private readonly chance: Random,
    private readonly arms: Arms,
    private readonly watcher: EffectWatcher,
  ) {}

  raise(host: string, fence: Fence): { status: 'raised' } | { status: 'fenced'; seen: Fence } {
    let seen: Fence | null = null;
    this.onHome(host, (world) => {
      const raised = raise(world, host, fence);
      seen = raised.fenced;
      return raised.world;
    });
    return seen === null ? { status: 'raised' } : { status: 'fenced', seen };
  }

  enter(host: string, key: string, fence: Fence): Entered {
    let entered: Entered = { status: 'open' };
    this.onHome(host, (world) => {
      const answer = enter(world, host, key, fence);
      entered = answer.entered;
      return answer.world;
    });
    return entered;
  }

  end(host: string, key: string, code: number): void {
    this.onHome(host, (world) => recordEnd(world, host, key, code));
  }

  entries(host: string, prefix: string): readonly JournalEntry[] {
    const [home] = this.ground.sitesOn(host);
    if (home === undefined) return [];
    const { journal } = hostOf(home.world, host);
    return journal
      .filter((entry) => entry.key.startsWith(prefix))
      .map(({ key, epoch, begunAtMs, ended }) => ({
        key,
        epoch,
        begunAt: rfc3339(begunAtMs),
        ...(ended === null ? {} : { ended: { at: rfc3339(ended.atMs), code: ended.code } }),
      }));
  }

  /** An act of the host program: entered, done and recorded there, whatever becomes of who asked. */
  async act(life: Life, call: ActCall): Promise<ActAnswer> {
    const { scheduler } = this.ground;
    const { host } = call.act;
    const entered = this.enter(host, call.key, call.fence);
    if (entered.status !== 'begun') return notBegun(entered);
    const untilMs = scheduler.nowMs + call.deadlineMs;
    await scheduler.sleep(this.ownTimeMs(call), life);
    const acted = await this.perform(life, call, untilMs);
    await scheduler.sleep(this.chance.int(1, 5), life);
    this.end(host, call.key, acted.code);
    return { status: 'ended', code: acted.code, detail: acted.detail };
  }

  /** A statement over SQL: its server answers, or nothing is known. The journal is the caller's part. */
  statement(call: ActCall): ActAnswer {
    const site = this.ground.site(call.cluster);
    if (nodeOf(site.world, call.act.node).service.state !== 'running') return { status: 'unknown', detail: 'connection refused' };
    this.announce(site, call);
    const { code, detail } = this.apply(call, (world) => beginOn(world, call.act, call.stepKey) as ActedWorld);
    return { status: 'ended', code, detail };
  }

  private announce(site: Site, call: ActCall): void {
    const wouldBe = beginOn(site.world, call.act, call.stepKey);
    this.watcher.acting(site, { ...call, inVain: 'code' in wouldBe && wouldBe.code !== 0 });
  }

  /** An act may end late, within the time that it was given. */
  private ownTimeMs({ act, deadlineMs }: ActCall): number {
    const spareMs = deadlineMs - STOP_MARGIN_MS - (act.act === 'stop-active' ? act.limitMs : 0);
    if (spareMs > 300 && this.arms.take('act-slow', act.host)) return this.chance.int(200, spareMs);
    return this.chance.int(2, 12);
  }

  private async perform(life: Life, call: ActCall, untilMs: number): Promise<ActedWorld> {
    const { scheduler } = this.ground;
    this.announce(this.ground.site(call.cluster), call);
    let stopsWithinMs = 0;
    const begun = this.apply(call, (world) => {
      const answer = beginOn(world, call.act, call.stepKey);
      if (!('stopsWithinMs' in answer)) return answer;
      stopsWithinMs = answer.stopsWithinMs;
      return { world: answer.world, code: 0, detail: 'stops' };
    });
    if (stopsWithinMs === 0) return begun;
    const stopUntilMs = Math.min(scheduler.nowMs + stopsWithinMs, untilMs - STOP_MARGIN_MS);
    while (!hasStopped(this.ground.site(call.cluster).world, call.act.node) && scheduler.nowMs < stopUntilMs)
      await scheduler.sleep(STOP_POLL_MS, life);
    return this.apply(call, (world) => endStop(world, call.act));
  }

  private apply(call: ActCall, change: (world: World) => ActedWorld): ActedWorld {
    let acted: ActedWorld | undefined;
    this.ground.change(call.cluster, 'ours', (world) => (acted = change(world)).world);
    return acted as ActedWorld;
  }

  /** A host has one journal, however many clusters it carries. */
  private onHome(host: string, change: (world: World) => World): void {
    const [home] = this.ground.sitesOn(host);
    if (home !== undefined) this.ground.change(home.slug, 'ours', change);
  }
}

function notBegun(entered: Exclude<Entered, { status: 'begun' }>): ActAnswer {
  switch (entered.status) {
    case 'fenced':
      return entered;
    case 'known':
      return { status: 'ended', code: entered.code, detail: 'was performed before' };
    case 'open':
      return { status: 'unknown', detail: 'begun before, and no end is recorded' };
  }
}

function rfc3339(ms: number): string {
  return new Date(ms).toISOString();
}
