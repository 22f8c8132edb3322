import type { ClusterSnapshot, ItemVersion, PatchItem } from '@understudy/cluster';
import type { Host, PatchSource, PatchVerification } from '@understudy/hosts';
import { describe, expect, it } from 'vitest';
import { picture } from './picture.js';
import type { OpenCluster } from './targets.js';

const item: PatchItem = { name: 'openssl', targetVersion: '3.0.22', source: 'apt' };
const database: PatchItem = { name: 'postgresql', targetVersion: '17.10', source: 'apt' };
const known: Readonly<Record<string, ItemVersion>> = { postgresql: { installed: '17.9', running: '17.9' } };

const verified = (installed: string | null, passed: boolean | null = true): PatchVerification => ({
  version: { installed },
  rebootNeeded: false,
  checks: [{ check: 'apt-state', passed, detail: '' }],
});

/** Nodes `a`, `b`, ... on hosts of the same name, each with what its host says of a package. */
function cluster(...says: readonly (() => Promise<PatchVerification>)[]): {
  readonly asked: string[];
  seen(...items: readonly PatchItem[]): Promise<Awaited<ReturnType<typeof picture>>>;
} {
  const names = says.map((_, index) => String.fromCodePoint(97 + index));
  const asked: string[] = [];
  const source = {
    verify: (host: Host, { name }: PatchItem) => {
      asked.push(`${host.definition.slug} ${name}`);
      return says[names.indexOf(host.definition.slug)]?.();
    },
  } as unknown as PatchSource;
  const snapshot = { nodes: names.map((name) => ({ node: name, host: name, versions: known })) } as unknown as ClusterSnapshot;
  const open = {
    driver: { observe: () => Promise.resolve(snapshot) },
    target: { hosts: Object.fromEntries(names.map((name) => [name, { definition: { slug: name } }])) },
  } as unknown as OpenCluster;
  return { asked, seen: (...items) => picture(open, items, () => source, 1_000) };
}

describe('the picture of a cluster', () => {
  it('is the platform’s own where that knows every item: no host is asked', async () => {
    const { asked, seen } = cluster(() => Promise.resolve(verified('1')));
    const { snapshot, ofPlatform } = await seen(database);
    expect(asked).toEqual([]);
    expect(snapshot).toBe(ofPlatform);
  });

  it('has the versions of what the platform does not know from the hosts, and leaves the platform’s words as they are', async () => {
    const { asked, seen } = cluster(
      () => Promise.resolve(verified('3.0.20')),
      () => Promise.resolve(verified('3.0.22')),
    );
    const { snapshot, ofPlatform } = await seen(database, item);
    expect(asked).toEqual(['a openssl', 'b openssl']);
    expect(snapshot.nodes.map(({ versions }) => versions)).toEqual([
      { ...known, openssl: { installed: '3.0.20', running: '3.0.20' } },
      { ...known, openssl: { installed: '3.0.22', running: '3.0.22' } },
    ]);
    expect(ofPlatform.nodes.map(({ versions }) => versions)).toEqual([known, known]);
  });

  it('tells a host that has nothing of it from one that could not say', async () => {
    const { seen } = cluster(
      () => Promise.resolve(verified(null, false)),
      () => Promise.resolve(verified(null, null)),
      () => Promise.reject(new Error('no')),
    );
    const { snapshot } = await seen(item);
    const unclear = { installed: null, running: null };
    expect(snapshot.nodes.map(({ versions }) => versions['openssl'])).toEqual([undefined, unclear, unclear]);
  });
});
