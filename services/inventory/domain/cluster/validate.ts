import { accessTarget, secretPlaces, sshWay, type ClusterDefinition, type SecretPlace } from '@understudy/cluster';
import type { Refusal } from '@understudy/decider';
import type { Known } from './cluster.js';

/**
 * Rules of a registration that a schema cannot say. Shapes (types, patterns, unknown fields) were judged at the door.
 * Answers every reason at once; an empty list = may be registered. Rules that look at other clusters are in `fleet.ts`.
 */
export function validate(definition: ClusterDefinition, known: Known): readonly Refusal[] {
  return [
    ...platform(definition, known),
    ...unique(
      definition.nodes.map((node) => node.slug),
      '/nodes',
      'slug',
      'DUPLICATE_NODE',
    ),
    ...unique(
      definition.hosts.map((host) => host.slug),
      '/hosts',
      'slug',
      'DUPLICATE_HOST',
    ),
    ...unique(definition.workloads, '/workloads', '', 'DUPLICATE_WORKLOAD'),
    ...references(definition),
    ...patching(definition, known),
    ...accessTargets(definition),
    ...twin(definition),
    ...credentials(definition, known),
  ];
}

function refusal(pointer: string, code: string, detail: string): Refusal {
  return { pointer, code, detail };
}

const listed = (names: readonly string[]): string => (names.length === 0 ? 'none' : [...names].sort().join(', '));

function platform(definition: ClusterDefinition, known: Known): readonly Refusal[] {
  const platformSettings = Object.hasOwn(known.platforms, definition.platform) ? known.platforms[definition.platform] : undefined;
  if (platformSettings === undefined) {
    const offered = listed(Object.keys(known.platforms));
    return [
      refusal(
        '/platform',
        'UNKNOWN_PLATFORM',
        `Platform "${definition.platform}" has no driver here. Known platforms: ${offered}.`,
      ),
    ];
  }
  return [
    ...unknownSettings(definition.settings, platformSettings.cluster, '/settings', definition.platform),
    ...definition.nodes.flatMap((node, i) =>
      unknownSettings(node.settings, platformSettings.node, `/nodes/${i}/settings`, definition.platform),
    ),
  ];
}

function unknownSettings(
  given: Readonly<Record<string, string>>,
  understood: readonly string[],
  pointer: string,
  of: string,
): readonly Refusal[] {
  return Object.keys(given)
    .filter((name) => !understood.includes(name))
    .map((name) =>
      refusal(
        `${pointer}/${escapePointer(name)}`,
        'UNKNOWN_SETTING',
        `The ${of} driver does not understand the setting "${name}". It understands: ${listed(understood)}.`,
      ),
    );
}

/** One member of a JSON Pointer (RFC 6901). */
export function escapePointer(member: string): string {
  return member.replaceAll('~', '~0').replaceAll('/', '~1');
}

function unique(names: readonly string[], pointer: string, member: string, code: string): readonly Refusal[] {
  return names.flatMap((name, i) => {
    const first = names.indexOf(name);
    const at = member === '' ? `${pointer}/${i}` : `${pointer}/${i}/${member}`;
    return first === i ? [] : [refusal(at, code, `"${name}" is already the name of entry ${first + 1}; give each its own.`)];
  });
}

function references(definition: ClusterDefinition): readonly Refusal[] {
  const hosts = definition.hosts.map((host) => host.slug);
  const used = new Set([...definition.nodes.map((node) => node.host), definition.probeHost]);
  return [
    ...definition.nodes.flatMap((node, i) =>
      hosts.includes(node.host)
        ? []
        : [
            refusal(
              `/nodes/${i}/host`,
              'UNKNOWN_HOST',
              `Node "${node.slug}" names host "${node.host}", which is not among the hosts of this document: ${listed(hosts)}.`,
            ),
          ],
    ),
    ...definition.hosts.flatMap((host, i) =>
      used.has(host.slug)
        ? []
        : [
            refusal(
              `/hosts/${i}`,
              'UNUSED_HOST',
              `Host "${host.slug}" carries no node and is not the probeHost. Remove it, or correct the node that should name it.`,
            ),
          ],
    ),
    ...(definition.probeHost === undefined || hosts.includes(definition.probeHost)
      ? []
      : [
          refusal(
            '/probeHost',
            'UNKNOWN_HOST',
            `The probeHost "${definition.probeHost}" is not among the hosts of this document: ${listed(hosts)}.`,
          ),
        ]),
  ];
}

function patching(definition: ClusterDefinition, known: Known): readonly Refusal[] {
  return definition.hosts.flatMap((host, i) =>
    Object.keys(host.patching)
      .filter((source) => !known.patchSources.includes(source))
      .map((source) =>
        refusal(
          `/hosts/${i}/patching/${escapePointer(source)}`,
          'UNKNOWN_PATCH_SOURCE',
          `"${source}" is not a patch source of this build. Known: ${listed(known.patchSources)}.`,
        ),
      ),
  );
}

function accessTargets(definition: ClusterDefinition): readonly Refusal[] {
  return definition.hosts.flatMap((host, i) => {
    const twinHost = definition.hosts
      .slice(0, i)
      .find((other) => other.slug !== host.slug && accessTarget(other.access) === accessTarget(host.access));
    if (twinHost === undefined) return [];
    return [refusal(`/hosts/${i}/access`, 'SAME_ACCESS_TARGET', sameTarget(host.slug, twinHost.slug, accessTarget(host.access)))];
  });
}

export function sameTarget(host: string, other: string, target: string): string {
  return (
    `Hosts "${host}" and "${other}" reach one and the same machine (${target}). One machine has one host slug: ` +
    `use the slug "${other}" in both places; local hosts may differ by their root folder.`
  );
}

function twin(definition: ClusterDefinition): readonly Refusal[] {
  if (definition.twinOf === undefined) return [];
  if (definition.environment !== 'lab') {
    return [
      refusal(
        '/twinOf',
        'TWIN_NOT_LAB',
        `Only a cluster of environment "lab" mirrors another; this one is "${definition.environment}". Remove twinOf, or register it as lab.`,
      ),
    ];
  }
  return [];
}

function credentials(definition: ClusterDefinition, known: Known): readonly Refusal[] {
  const ofNodes = Object.entries(definition.credentials).flatMap(([purpose, name]) =>
    credential(`/credentials/${escapePointer(purpose)}`, name, secretPlaces(definition, purpose), known),
  );
  const ofWays = definition.hosts.flatMap(({ slug, access }, i) =>
    sshWay(access).flatMap(({ credential: name, address }, step, way) => {
      const isHost = step === way.length - 1;
      const pointer = `/hosts/${i}/access/${isHost ? '' : `jumps/${step}/`}credential`;
      const what = isHost ? `host "${slug}"` : `jump host ${address} of "${slug}"`;
      return credential(pointer, name, [{ what, target: address }], known);
    }),
  );
  return [...ofNodes, ...ofWays];
}

/** Its secret is shown to these, or one of them may not see it. */
function credential(pointer: string, name: string, to: readonly SecretPlace[], known: Known): readonly Refusal[] {
  const found = known.credentials.find((candidate) => candidate.name === name);
  if (found === undefined)
    return [
      refusal(
        pointer,
        'UNKNOWN_CREDENTIAL',
        `No credential is named "${name}". An admin defines it with PUT /v1/credentials/${name}; documents refer to it by name only.`,
      ),
    ];
  return to
    .filter(({ target }) => found.refuses.includes(target))
    .map(({ what, target }) =>
      refusal(
        pointer,
        'CREDENTIAL_NOT_FOR_HOST',
        `Credential "${name}" is bound to ${listed(found.hostPatterns)}; ${what} is reached at ${target}, so its secret is not sent there. An admin may widen the patterns.`,
      ),
    );
}

/** Every place that a document's credentials are shown to, or prove to who we are. */
export function secretTargets(definition: ClusterDefinition): readonly string[] {
  const shown = Object.keys(definition.credentials).flatMap((purpose) => secretPlaces(definition, purpose));
  const ways = definition.hosts.flatMap(({ access }) => sshWay(access).map(({ address }) => address));
  return [...new Set([...shown.map(({ target }) => target), ...ways])];
}
