import { setTimeout as delay } from 'node:timers/promises';
import { secretPlaces, type ClusterDefinition, type ClusterSnapshot } from '@understudy/cluster';
import type { Host, HostFacts } from '@understudy/hosts';
import type { SshLinks } from '@understudy/hosts';
import { collectHostFacts, openHosts } from '@understudy/hosts';
import type { Evidence, Fact, NodeFacts } from '@understudy/inventory-domain';
import { servingNode } from '@understudy/inventory-domain';
import type { ClusterTarget, PlatformDriver, Secret } from '@understudy/platforms';
import { Problem } from '@understudy/runtime';
import type { CredentialStore } from '@understudy/runtime';

/** What one look at a cluster brought. */
export type Look =
  | { readonly seen: true; readonly snapshot: ClusterSnapshot; readonly evidence: readonly Evidence[] }
  /** Nothing could be asked: no driver, no credential, no host access. A sentence says which. */
  | { readonly seen: false; readonly reason: string };

export interface Facts {
  readonly nodes: readonly NodeFacts[];
  readonly activeNode: string;
}

export interface SightOptions {
  /** Drivers that this installation may use, by platform. */
  readonly platforms: Readonly<Record<string, PlatformDriver>>;
  readonly credentials: CredentialStore;
  readonly ssh: SshLinks;
  /** Hides a secret value so that equal and different can still be told. */
  readonly keyedHash: (value: string) => string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

const GRACE_MS = 1_000;

/** Looks at clusters through their drivers and never touches anything. Hosts are opened for each look and closed after it. */
export class Sight {
  constructor(private readonly options: SightOptions) {}

  /** One look and what speaks for an HA layer, within `deadlineMs` (ms). Never throws for what the cluster does. */
  look(definition: ClusterDefinition, deadlineMs: number): Promise<Look> {
    return this.withTarget<Look>(
      definition,
      deadlineMs,
      async (driver, target) => {
        const snapshot = await driver.observe(target, deadlineMs);
        const evidence = await driver.evidence(target, deadlineMs);
        return { seen: true, snapshot, evidence };
      },
      (reason) => ({ seen: false, reason }),
    );
  }

  /** Facts of every node, the platform's and the host's, taken now. What could not be had is named in `missing`, node by node. */
  facts(definition: ClusterDefinition, deadlineMs: number): Promise<Facts> {
    return this.withTarget<Facts>(
      definition,
      deadlineMs,
      async (driver, target) => {
        const [snapshot, nodes, byHost] = await Promise.all([
          driver.observe(target, deadlineMs),
          driver.facts(target, this.options.keyedHash, deadlineMs),
          hostFacts(target.hosts, deadlineMs),
        ]);
        return {
          activeNode: servingNode(snapshot, definition.workloads),
          nodes: definition.nodes.map((node) =>
            withHostFacts(
              nodes.find((facts) => facts.node === node.slug) ?? this.nothingOf(node.slug, 'the driver told nothing of it'),
              byHost[node.host],
            ),
          ),
        };
      },
      (reason) => ({ activeNode: '', nodes: definition.nodes.map((node) => this.nothingOf(node.slug, reason)) }),
    );
  }

  private nothingOf(node: string, reason: string): NodeFacts {
    return { node, collectedAt: new Date(this.options.now()).toISOString(), facts: [], missing: [reason] };
  }

  private async withTarget<T>(
    definition: ClusterDefinition,
    deadlineMs: number,
    work: (driver: PlatformDriver, target: ClusterTarget) => Promise<T>,
    otherwise: (reason: string) => T,
  ): Promise<T> {
    const driver = Object.hasOwn(this.options.platforms, definition.platform)
      ? this.options.platforms[definition.platform]
      : undefined;
    if (driver === undefined) return otherwise(`this installation has no driver for ${definition.platform}`);
    let hosts: Readonly<Record<string, Host>> = {};
    const late = new AbortController();
    try {
      hosts = openHosts(definition.hosts, { ssh: this.options.ssh });
      const target: ClusterTarget = { definition, hosts, secrets: this.secrets(definition), now: this.options.now };
      const inTime = delay(deadlineMs + GRACE_MS, otherwise(`no answer within ${deadlineMs} ms`), { signal: late.signal });
      return await Promise.race([work(driver, target), inTime]);
    } catch (error) {
      return otherwise(sentenceOf(error));
    } finally {
      late.abort();
      await Promise.allSettled(Object.values(hosts).map((host) => host.access.close()));
    }
  }

  /** Resolved at each use, so that a rotated password counts at once; only for where the definition's nodes are reached. */
  private secrets(definition: ClusterDefinition): Readonly<Record<string, Secret>> {
    return Object.fromEntries(
      Object.entries(definition.credentials).map(([purpose, name]) => {
        const targets = new Set(secretPlaces(definition, purpose).map(({ target }) => target));
        const { user = '', secret = '' } = this.options.credentials.resolve(name, [...targets]);
        return [purpose, { user, password: secret }];
      }),
    );
  }
}

/** Errors of ours explain themselves; of others only the class is told, because a text may carry an address or a secret. */
function sentenceOf(error: unknown): string {
  if (error instanceof Problem) return error.message;
  if (error instanceof Error && error.name === 'HostError') return error.message;
  return `it could not be looked at (${error instanceof Error ? error.name : 'unknown error'})`;
}

type CollectedHost = HostFacts | { readonly status: 'unknown'; readonly reason: string };

async function hostFacts(
  hosts: Readonly<Record<string, Host>>,
  deadlineMs: number,
): Promise<Readonly<Record<string, CollectedHost>>> {
  const told = await Promise.all(
    Object.entries(hosts).map(async ([slug, host]) => [slug, await collectHostFacts(host, deadlineMs)] as const),
  );
  return Object.fromEntries(told);
}

/** A host's facts stand with each node that it carries. What this kind of host has not got is no fact, and nothing is missing. */
function withHostFacts(node: NodeFacts, host: CollectedHost | undefined): NodeFacts {
  if (host === undefined) return node;
  if (host.status === 'unknown') return { ...node, missing: [...node.missing, `facts of the host: ${host.reason}`] };
  const facts = Object.entries(host.facts).flatMap(([name, value]): readonly Fact[] =>
    value === null ? [] : [hostFact(name, value)],
  );
  return { ...node, facts: [...node.facts, ...facts] };
}

/** `kernel.release` is fact `release` of area `kernel`; a name without a dot belongs to area `host`. */
function hostFact(name: string, value: string): Fact {
  const dot = name.indexOf('.');
  if (dot < 0) return { area: 'host', name, value };
  const area = name.slice(0, dot);
  return { area: area === 'packages' ? 'package' : area, name: name.slice(dot + 1), value };
}
