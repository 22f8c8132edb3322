import { DEFAULT_SSH_PORT } from '@understudy/cluster';
import { stringify } from 'yaml';
import type { Place, Way } from './place.js';

const MOST_LETTERS = 63;

export interface Draft {
  readonly slug: string;
  readonly platform: string;
  /** The account that `host:prepare` makes, and the name of the credential with its key. */
  readonly user: string;
  readonly credential: string;
  readonly hosts: readonly { readonly name: string; readonly way: Way }[];
  /** In words: where this was read. */
  readonly source: string;
}

/** A cluster's document to be completed by a person: hosts and the ways there are read, the rest is theirs to say. */
export function documentOf({ slug, platform, user, credential, hosts, source }: Draft): string {
  const slugs = slugsOf(hosts.map(({ name }) => name));
  const read = {
    hosts: hosts.map(({ name, way }) => ({
      slug: slugs.get(name),
      access: {
        ...{ kind: 'ssh', ...placeOf(way), user, credential, root: `/var/lib/${user}` },
        ...(way.jumps.length === 0
          ? {}
          : { jumps: way.jumps.map((jump) => ({ ...placeOf(jump), user: jump.user ?? user, credential })) }),
      },
      patching: {},
    })),
    nodes: hosts.map(({ name }) => ({ slug: slugs.get(name), host: slugs.get(name), settings: {} })),
  };
  return `# Read from ${source}. Complete it, then see what it comes to: POST /v1/clusters?dryRun=true
slug: ${slug}
platform: ${platform}
environment: production # or lab, or practice
workloads: [${slug}]
settings: {} # of the cluster and below of each node: docs/platforms/${platform}.md says which
credentials: {} # names of those that the platform needs
${stringify(read, { lineWidth: 0 })}`;
}

function placeOf({ address, port }: Place): object {
  return { address, ...(port === undefined || port === DEFAULT_SSH_PORT ? {} : { port }) };
}

/** The first part of a name where that tells the hosts apart, else the whole. @throws Error where neither does. */
function slugsOf(names: readonly string[]): ReadonlyMap<string, string> {
  const short = names.map((name) => (/^[\d.]+$|:/.test(name) ? name : (name.split('.')[0] ?? name)));
  const used = new Set(short).size === names.length ? short : names;
  const slugs = used.map(slugOf);
  const twice = names.find((_, index) => slugs.indexOf(slugs[index] ?? '') !== index);
  if (twice !== undefined) throw new Error(`"${twice}" and another host would have one slug. Name them apart.`);
  return new Map(names.map((name, index) => [name, slugs[index] ?? '']));
}

/** A name in the letters and the length that slugs have. */
export function slugOf(name: string): string {
  const letters = name.toLowerCase().replace(/[^a-z0-9]+/g, '-');
  return letters.slice(0, MOST_LETTERS).replace(/^-+|-+$/g, '');
}
