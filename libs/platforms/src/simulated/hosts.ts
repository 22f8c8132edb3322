import { tableOf, type ClusterDefinition, type HostDefinition } from '@understudy/cluster';
import type { Host, HostJournal, JobState } from '@understudy/hosts';
import { enter, hostOf, isUp, raise, recordEnd } from '@understudy/simulated-cluster';
import type { SimulatedWorlds } from './worlds.js';

/** Hosts that exist in the world alone: their journal keeps the real one's rules, and they run no commands. */
export function simulatedHosts(definition: ClusterDefinition, worlds: SimulatedWorlds): Readonly<Record<string, Host>> {
  return tableOf(definition.hosts.map((host) => [host.slug, simulatedHost(definition, host, worlds)]));
}

const NO_COMMANDS = 'a simulated host runs no commands';

function simulatedHost(definition: ClusterDefinition, host: HostDefinition, worlds: SimulatedWorlds): Host {
  const unknown = { status: 'unknown', reason: NO_COMMANDS } as const;
  const noJob: JobState = unknown;
  return {
    definition: host,
    access: { host: host.slug, root: '/', run: () => Promise.resolve(unknown), close: () => Promise.resolve() },
    journal: journalOf(definition, host.slug, worlds),
    jobs: {
      start: () => Promise.resolve(unknown),
      state: () => Promise.resolve(noJob),
      output: () => Promise.resolve(unknown),
      stop: () => Promise.resolve(noJob),
    },
  };
}

function journalOf(definition: ClusterDefinition, host: string, worlds: SimulatedWorlds): HostJournal {
  const away = (): { status: 'unknown'; reason: string } | undefined => {
    const world = worlds.of(definition);
    return hostOf(world, host).linked && isUp(world, host)
      ? undefined
      : { status: 'unknown', reason: `host ${host} does not answer` };
  };
  return {
    raise: (fence) => {
      const gone = away();
      if (gone !== undefined) return Promise.resolve(gone);
      const raised = raise(worlds.of(definition), host, fence);
      worlds.change(definition, () => raised.world);
      return Promise.resolve(raised.fenced === null ? { status: 'raised' } : { status: 'fenced', seen: raised.fenced });
    },
    act: () => Promise.resolve({ status: 'unknown', reason: NO_COMMANDS }),
    begin: ({ key, fence }) => {
      const gone = away();
      if (gone !== undefined) return Promise.resolve(gone);
      const { world, entered } = enter(worlds.of(definition), host, key, fence);
      worlds.change(definition, () => world);
      return Promise.resolve(
        entered.status === 'open' ? { status: 'unknown', reason: 'begun before, and no end is recorded' } : entered,
      );
    },
    end: ({ key }, code) => {
      const gone = away();
      if (gone !== undefined) return Promise.resolve(gone);
      worlds.change(definition, (world) => recordEnd(world, host, key, code));
      return Promise.resolve({ status: 'recorded' });
    },
    entries: (prefix) => {
      const gone = away();
      if (gone !== undefined) return Promise.resolve(gone);
      const entries = hostOf(worlds.of(definition), host).journal.filter((entry) => entry.key.startsWith(prefix));
      const rfc3339 = (ms: number): string => new Date(ms).toISOString();
      return Promise.resolve({
        status: 'read',
        entries: entries.map(({ key, epoch, begunAtMs, ended }) => ({
          key,
          epoch,
          begunAt: rfc3339(begunAtMs),
          ...(ended === null ? {} : { ended: { at: rfc3339(ended.atMs), code: ended.code } }),
        })),
      });
    },
  };
}
