import type { CheckResult, ClusterDefinition, ClusterSnapshot } from '@understudy/cluster';
import type { Fence, Host, HostJournal } from '@understudy/hosts';
import {
  CallMemory,
  nextAct,
  nodeView,
  runVerb,
  stateChecks,
  summarise,
  topologyChecks,
  viewOf,
  type ActOutcome,
  type PostgresAct,
  type PostgresNode,
  type PostgresSnapshot,
  type VerbEngine,
  type VerbRequest,
  type VerbResult,
} from '@understudy/platforms';
import { hostOf, isUp, nodeOf, type World } from '@understudy/simulated-cluster';
import type { Arms } from './arms.js';
import type { Ground } from './ground.js';
import type { ActCall, Hosts } from './hosts.js';
import type { Net } from './net.js';
import type { Random } from './random.js';
import type { Life } from './scheduler.js';

/** One orchestrator's way to clusters: the product's loop and `nextAct`, on a world that moves meanwhile. */

const LOOK_MS = { from: 15, to: 90 };
const SILENT_MS = { from: 400, to: 2_500 };
const LATE_MS = { from: 5_000, to: 25_000 };
/** The limit of a look in the product, in milliseconds. */
const LOOK_LIMIT_MS = 5_000;
const OVER_SQL: ReadonlySet<PostgresAct['act']> = new Set(['create-slots', 'drop-slots', 'checkpoint', 'promote']);

export interface Reach {
  readonly ground: Ground;
  readonly net: Net;
  readonly hosts: Hosts;
  readonly chance: Random;
  readonly arms: Arms;
  /** Told that a verb went on with an act although it had been told before another that it must not. */
  readonly wentOn: (stepKey: string, act: string, toldBefore: string) => void;
  /** Told that a statement was answered: it is over, also where its end never reaches the journal. */
  readonly answered: (key: string) => void;
}

/** A host that is not heard in one look, with the server on it or without. */
interface Unheard {
  readonly host: string;
  readonly wholly: boolean;
}

export class Driver {
  constructor(
    private readonly reach: Reach,
    private readonly life: Life,
    /** This process's clock, milliseconds since the epoch. */
    private readonly now: () => number,
  ) {}

  /** What each cluster's newest look showed to whoever looked. */
  readonly shown = new Map<string, Shown>();

  /** Every node for itself, at its own moment of the look. */
  async look(definition: ClusterDefinition): Promise<PostgresSnapshot> {
    const { ground, chance, arms } = this.reach;
    const { scheduler } = ground;
    const observedAt = new Date(this.now()).toISOString();
    const unheard = arms.take('look-partial', definition.slug)
      ? { host: chance.pick(definition.nodes).host, wholly: chance.chance(0.5) }
      : undefined;
    const { world } = ground.site(definition.slug);
    const silent = Object.values(world.nodes).some(({ host }) => unheard?.host === host || isSilent(world, host));
    await scheduler.sleep(this.durationMs(silent, LOOK_MS), this.life);
    const later = ground.site(definition.slug).world;
    const nodes = Object.keys(world.nodes).map((node) => nodeSeen(chance.chance(0.5) ? world : later, node, definition, unheard));
    if (arms.take('look-late', definition.slug)) await scheduler.sleep(chance.int(LATE_MS.from, LATE_MS.to), this.life);
    this.shown.set(definition.slug, shownBy(nodes));
    return { ...viewOf({ ...world, nodes: {} }), observedAt, nodes };
  }

  private durationMs(silent: boolean, usual: { readonly from: number; readonly to: number }): number {
    const { from, to } = silent ? SILENT_MS : usual;
    return this.reach.chance.int(from, to);
  }

  async observe(definition: ClusterDefinition): Promise<ClusterSnapshot> {
    return this.picture(await this.look(definition));
  }

  private picture(seen: PostgresSnapshot): ClusterSnapshot {
    return { ...summarise(seen), platform: 'simulated' };
  }

  async preflight(definition: ClusterDefinition): Promise<readonly CheckResult[]> {
    return topologyChecks(await this.look(definition));
  }

  async validate(definition: ClusterDefinition, name: string, asActive: boolean): Promise<readonly CheckResult[]> {
    const seen = await this.look(definition);
    const node = seen.nodes.find((candidate) => candidate.node === name);
    if (node === undefined) return [{ check: 'known', node: name, passed: false, detail: `There is no node ${name}.` }];
    return stateChecks(seen, node, asActive);
  }

  async perform(definition: ClusterDefinition, asked: VerbRequest): Promise<VerbResult> {
    let toldBefore: string | null = null;
    const mayGoOn: VerbRequest['mayGoOn'] = (next) => {
      const may = asked.mayGoOn(next);
      if (!may) toldBefore ??= next.act;
      return may;
    };
    const request = { ...asked, mayGoOn };
    const sent = (act: string): void => {
      if (toldBefore !== null) this.reach.wentOn(asked.key, act, toldBefore);
    };
    const result = await runVerb(this.engine(definition, request, sent), request);
    return 'snapshot' in result ? { ...result, snapshot: { ...result.snapshot, platform: 'simulated' } } : result;
  }

  private engine(
    definition: ClusterDefinition,
    request: VerbRequest,
    sent: (act: string) => void,
  ): VerbEngine<PostgresSnapshot, PostgresAct> {
    const goal = {
      verb: request.verb,
      node: request.node,
      key: request.key,
      stopDeadlineMs: Number(request.parameters['stopDeadlineMs'] ?? 3_000),
      canRepoint: true,
    };
    const monotonic = (): number => this.reach.ground.scheduler.nowMs;
    const memory = new CallMemory(monotonic);
    let lookedAtMs = 0;
    return {
      hosts: this.carriers(definition),
      now: this.now,
      monotonic,
      pause: (ms) => this.reach.ground.scheduler.sleep(ms, this.life),
      observe: async () => {
        lookedAtMs = this.reach.ground.scheduler.nowMs;
        const seen = await this.look(definition);
        await memory.seen(seen, () => Promise.resolve('the release on disk does not start'));
        return seen;
      },
      nextAct: (snapshot) => nextAct(snapshot, { ...goal, remainingMs: request.deadlineAt - this.now(), ...memory.known }),
      perform: (act, key, deadlineMs) => {
        memory.performed(act);
        sent(act.act);
        const call: ActCall = {
          cluster: definition.slug,
          act,
          key,
          stepKey: request.key,
          fence: request.fence,
          deadlineMs,
          lookedAtMs,
        };
        return OVER_SQL.has(act.act) ? this.overSql(call) : this.onHost(call);
      },
      summary: summarise,
    };
  }

  private carriers(definition: ClusterDefinition): readonly Host[] {
    const slugs = new Set(definition.nodes.map((node) => node.host));
    return definition.hosts.filter((host) => slugs.has(host.slug)).map((host) => this.host(definition, host.slug));
  }

  /** As far as the verb loop asks: the journal's entries. */
  private host(definition: ClusterDefinition, slug: string): Host {
    const unknown = { status: 'unknown', reason: 'a simulated host runs no commands' } as const;
    const journal: Pick<HostJournal, 'entries' | 'raise'> = {
      entries: async (prefix, deadlineMs) => {
        const { net, hosts } = this.reach;
        const answer = await net.call(this.life, slug, deadlineMs, () => Promise.resolve(hosts.entries(slug, prefix)));
        return answer.answered ? { status: 'read', entries: answer.value } : { status: 'unknown', reason: answer.reason };
      },
      raise: (fence, deadlineMs) => this.raise(slug, fence, deadlineMs),
    };
    const found = definition.hosts.find((host) => host.slug === slug);
    return {
      definition: found as Host['definition'],
      access: { host: slug, root: '/', run: () => Promise.resolve(unknown), close: () => Promise.resolve() },
      journal: journal as HostJournal,
      jobs: {} as Host['jobs'],
    };
  }

  async raise(slug: string, fence: Fence, deadlineMs = LOOK_LIMIT_MS): ReturnType<HostJournal['raise']> {
    const { net, hosts } = this.reach;
    const answer = await net.call(this.life, slug, deadlineMs, () => Promise.resolve(hosts.raise(slug, fence)));
    return answer.answered ? answer.value : { status: 'unknown', reason: answer.reason };
  }

  private async onHost(call: ActCall): Promise<ActOutcome> {
    const { net, hosts } = this.reach;
    const answer = await net.call(this.life, call.act.host, call.deadlineMs, (life) => hosts.act(life, call));
    if (!answer.answered) return { status: 'unknown', detail: answer.reason };
    return outcomeOf(answer.value);
  }

  /** Begun in the journal, then said over SQL by this process, then ended in the journal: three messages. */
  private async overSql(call: ActCall): Promise<ActOutcome> {
    const { net, hosts } = this.reach;
    const { host } = call.act;
    const entering = await net.call(this.life, host, call.deadlineMs, () =>
      Promise.resolve(hosts.enter(host, call.key, call.fence)),
    );
    if (!entering.answered) return { status: 'unknown', detail: entering.reason };
    const entered = entering.value;
    if (entered.status === 'fenced') return { status: 'fenced', seen: entered.seen };
    if (entered.status === 'open') return { status: 'unknown', detail: 'begun before, and no end is recorded' };
    if (entered.status === 'known') return { status: 'ended', detail: `was performed before (${entered.code})` };
    const said = await net.call(this.life, host, call.deadlineMs, () => Promise.resolve(hosts.statement(call)));
    if (!said.answered) return { status: 'unknown', detail: said.reason };
    const outcome = outcomeOf(said.value);
    if (outcome.status === 'unknown') return outcome;
    this.reach.answered(call.key);
    await net.call(this.life, host, call.deadlineMs, () =>
      Promise.resolve(hosts.end(host, call.key, outcome.status === 'refused' ? 1 : 0)),
    );
    return outcome;
  }
}

/** Names of the nodes that a look showed to answer, and of those that took writes. */
export interface Shown {
  readonly answering: readonly string[];
  readonly writers: readonly string[];
}

function shownBy(nodes: readonly PostgresNode[]): Shown {
  const answering = nodes.filter(({ server }) => server.says === 'answers');
  const writers = answering.filter(({ server }) => server.says === 'answers' && !server.inRecovery);
  return { answering: answering.map(({ node }) => node), writers: writers.map(({ node }) => node) };
}

/** Nothing is heard of it, so a look takes its time. */
function isSilent(world: World, host: string): boolean {
  return !hostOf(world, host).linked || !isUp(world, host);
}

function nodeSeen(world: World, name: string, definition: ClusterDefinition, unheard: Unheard | undefined): PostgresNode {
  const node = nodeView(world, nodeOf(world, name));
  const reason = definition.nodes.find((candidate) => candidate.slug === name)?.notPromotable;
  const said = reason === undefined ? node : { ...node, notPromotable: reason };
  if (unheard === undefined || node.host !== unheard.host) return said;
  const away = { ...said, disk: { seen: false, reason: 'no answer in time' } } as const;
  // Its server may be reached another way than its host.
  return unheard.wholly ? { ...away, server: { says: 'nothing', reason: 'no answer' } } : away;
}

function outcomeOf(answer: Awaited<ReturnType<Hosts['act']>>): ActOutcome {
  switch (answer.status) {
    case 'fenced':
      return { status: 'fenced', seen: answer.seen };
    case 'unknown':
      return { status: 'unknown', detail: answer.detail };
    case 'ended':
      if (answer.code === 3) return { status: 'refused', detail: answer.detail };
      return { status: 'ended', detail: answer.code === 0 ? 'done' : `ended with ${answer.code}: ${answer.detail}` };
  }
}
