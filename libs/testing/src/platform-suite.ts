/** A cluster under the platform contract: what a suite needs of it, and the ways in which an orchestrator dies. */
import { activeNode, fitToServe, type ClusterSnapshot, type Verb } from '@understudy/cluster';
import type { Fence, Host } from '@understudy/hosts';
import type { ActReport, ClusterTarget, PlatformDriver, VerbRequest, VerbResult } from '@understudy/platforms';
import { expect } from 'vitest';

/** A running cluster of at least three nodes, and the hands of everybody else on it. */
export interface ClusterUnderTest {
  readonly driver: PlatformDriver;
  readonly workload: string;
  /** The first one is active at the beginning. */
  readonly nodes: readonly string[];
  /** Opened anew, as another process would after the first has died. */
  target(): ClusterTarget;
  /** Tries one write on every node as a client would, and answers which ones acknowledged it. */
  writers(): Promise<readonly string[]>;
  /** Of all writes acknowledged to `writers`, how many the cluster has not got now. */
  lostWrites(): Promise<number>;
  /** As a person, a unit or a configuration tool would; returns when it answers or has had its time. */
  startByHand(node: string): Promise<void>;
  reboot(node: string): Promise<void>;
  /** A stopped node's server ends right after each start from now on. Answers how to mend it, and what it says about it. */
  breakStart(node: string): Promise<{ readonly mend: () => Promise<void>; readonly says: RegExp }>;
  /** The node's receiver hangs; the link stays. Answers how to let it go on. */
  freezeReceiver(node: string): Promise<() => Promise<void>>;
  /** The act of the driver that takes the active node's service away, itself or by asking the platform to. */
  readonly stopAct: string;
  /** Let ten seconds pass as it likes: an act that was begun and never ended is given its time. */
  readonly slow: boolean;
  /** What a verb may take there. Left out: 40 s. */
  readonly verbLimitMs?: number;
  remove(): Promise<void>;
}

const LIMIT_MS = 40_000;

/** The orchestrator was killed here. */
export class Crash extends Error {}

export interface VerbOptions {
  readonly key?: string;
  readonly fence?: Fence;
  readonly target?: ClusterTarget;
  readonly limitMs?: number;
  readonly mayGoOn?: VerbRequest['mayGoOn'];
}

/** One cluster for the whole file; each test leaves every node joined and released, whoever is active. */
export class PlatformSuite<C extends ClusterUnderTest = ClusterUnderTest> {
  cluster!: C;
  private steps = 0;
  epoch = 1;

  constructor(private readonly make: () => Promise<C>) {}

  async open(): Promise<void> {
    this.cluster = await this.make();
  }

  async close(): Promise<void> {
    await this.cluster?.remove();
  }

  observe(): Promise<ClusterSnapshot> {
    return this.cluster.driver.observe(this.cluster.target(), 10_000);
  }

  async active(): Promise<string> {
    return activeNode(await this.observe(), this.cluster.workload)?.node ?? 'none';
  }

  /** Two standbys; the first is the next to take over. */
  async standbys(): Promise<readonly [string, string]> {
    const active = await this.active();
    const [first, second] = this.cluster.nodes.filter((node) => node !== active);
    return [first as string, second as string];
  }

  key(): string {
    return `rollout-1/step-${++this.steps}`;
  }

  async perform(verb: Verb, node: string, options: VerbOptions = {}): Promise<VerbResult> {
    const target = options.target ?? this.cluster.target();
    return this.cluster.driver.perform(target, {
      verb,
      workload: this.cluster.workload,
      node,
      key: options.key ?? this.key(),
      fence: options.fence ?? { logId: 'log-1', epoch: this.epoch },
      deadlineAt: target.now() + (options.limitMs ?? this.cluster.verbLimitMs ?? LIMIT_MS),
      parameters: { stopDeadlineMs: '2000' },
      mayGoOn: options.mayGoOn ?? (() => true),
      onAct: () => undefined,
    });
  }

  async met(verb: Verb, node: string, options: VerbOptions = {}): Promise<readonly ActReport[]> {
    const result = await this.perform(verb, node, options);
    expect(result.status === 'met' ? 'met' : JSON.stringify(result), `${verb} ${node}`).toBe('met');
    return result.acts;
  }

  /** Waits until every node is fit: what a test before left must not be what this one sees. */
  async settled(): Promise<void> {
    let last: ClusterSnapshot | undefined;
    for (let tries = 0; tries < 400; tries++) {
      last = await this.observe();
      const active = activeNode(last, this.cluster.workload);
      if (last.complete && active !== undefined && last.nodes.every((node) => node === active || fitToServe(node))) return;
      await new Promise((resolve) => setTimeout(resolve, this.cluster.slow ? 0 : 25));
    }
    throw new Error(`The cluster did not settle: ${JSON.stringify(last)}`);
  }
}

/** The same target; `before` runs before each journalled act is let through. */
export function interposed(target: ClusterTarget, before: (call: { readonly key: string }) => Promise<void>): ClusterTarget {
  return withJournals(target, (journal) => ({
    ...journal,
    act: async (request) => {
      await before(request);
      return journal.act(request);
    },
    begin: async (request) => {
      await before(request);
      return journal.begin(request);
    },
  }));
}

/** The orchestrator dies right after the `nth` act that ran on a host, before it hears how it ended. */
export function deaf(target: ClusterTarget, nth: number): ClusterTarget {
  let acts = 0;
  const die = (): void => {
    if (++acts === nth) throw new Crash('killed here');
  };
  return withJournals(target, (journal) => ({
    ...journal,
    act: async (request) => {
      const result = await journal.act(request);
      die();
      return result;
    },
    end: async (request, code) => {
      const result = await journal.end(request, code);
      die();
      return result;
    },
  }));
}

function withJournals(target: ClusterTarget, change: (journal: Host['journal']) => Host['journal']): ClusterTarget {
  const plain = (journal: Host['journal']): Host['journal'] => ({
    raise: (fence, deadlineMs) => journal.raise(fence, deadlineMs),
    act: (request) => journal.act(request),
    begin: (request) => journal.begin(request),
    end: (request, code) => journal.end(request, code),
    entries: (prefix, deadlineMs) => journal.entries(prefix, deadlineMs),
  });
  const hosts = Object.fromEntries(
    Object.entries(target.hosts).map(([slug, host]) => [slug, { ...host, journal: change(plain(host.journal)) }]),
  );
  return { ...target, hosts };
}

/** The numbers at the end of every key of this step, over all hosts. */
export async function actNumbers(target: ClusterTarget, key: string): Promise<readonly number[]> {
  const reads = await Promise.all(Object.values(target.hosts).map((host) => host.journal.entries(`${key}/`, 10_000)));
  return reads.flatMap((read) =>
    read.status === 'read' ? read.entries.map((entry) => Number(entry.key.split('/').at(-1))) : [Number.NaN],
  );
}
