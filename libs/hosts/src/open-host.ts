import { accessTarget, tableOf, type HostDefinition } from '@understudy/cluster';
import { type AccessTools, openAccess } from './access/index.js';
import { HostAgent, type OnSent } from './agent/agent.js';
import { AgentJobs } from './agent/jobs.js';
import { AgentJournal } from './agent/journal.js';
import type { Host } from './host.js';
import { HostError } from './host-error.js';
import { bootIdFile } from './power.js';

/** What a process opens hosts with. */
export interface HostTools extends AccessTools {
  /** Hears the key of each act and job that was handed over to a host. */
  readonly onSent?: OnSent;
}

/**
 * Opens one host; nothing is sent to it yet. Close its `access` when done.
 * @throws HostError when the definition cannot be used.
 */
export function openHost(definition: HostDefinition, tools: HostTools = {}): Host {
  const access = openAccess(definition, tools);
  const agent = new HostAgent(access, bootIdFile(definition), tools.onSent);
  return { definition, access, journal: new AgentJournal(agent), jobs: new AgentJobs(agent) };
}

/**
 * Opens hosts by slug. A host that several clusters share is given once.
 * @throws HostError when two definitions claim one slug, or two slugs one access target: each would think it is alone there.
 */
export function openHosts(definitions: readonly HostDefinition[], tools: HostTools = {}): Readonly<Record<string, Host>> {
  const hosts = new Map<string, Host>();
  const targets = new Map<string, string>();
  for (const definition of definitions) {
    const target = accessTarget(definition.access);
    const other = targets.get(target);
    if (hosts.has(definition.slug))
      throw new HostError(
        'host-slug-twice',
        `Host ${definition.slug} is defined twice. Define it once and name it where needed.`,
      );
    if (other !== undefined) {
      throw new HostError(
        'host-target-shared',
        `Hosts ${other} and ${definition.slug} are both ${target}. Register it once, or give each its own root folder.`,
      );
    }
    targets.set(target, definition.slug);
    hosts.set(definition.slug, openHost(definition, tools));
  }
  return tableOf(hosts);
}

export async function closeHosts(hosts: Readonly<Record<string, Host>>): Promise<void> {
  await Promise.all(Object.values(hosts).map((host) => host.access.close()));
}
