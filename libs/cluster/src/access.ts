import type { AccessDefinition, ClusterDefinition, NodeDefinition, SshPlace } from './definition.js';

export const DEFAULT_SSH_PORT = 22;

/** The way to a host that is reached by SSH, its jump hosts first; empty for any other. */
export function sshWay(access: AccessDefinition): readonly SshPlace[] {
  if (access.kind !== 'ssh') return [];
  const { kind: _kind, root: _root, jumps = [], ...place } = access;
  return [...jumps, place];
}

/**
 * Where commands to a host really go: two hosts with one target would count one machine as two. Local hosts are folders of one machine;
 * one reached by SSH is a machine, whoever logs in and wherever the root folder lies. Behind a jump host an address is another machine.
 */
export function accessTarget(access: AccessDefinition): string {
  if (access.kind === 'local') return `local:${plainPath(access.root)}`;
  const way = sshWay(access).map(({ address, port = DEFAULT_SSH_PORT }) => `${address.toLowerCase()}:${port}`);
  return `ssh:${way.join('>')}`;
}

/** A place that the secret of a credential is shown to. */
export interface SecretPlace {
  /** In words, for whoever reads why it is not sent there. */
  readonly what: string;
  readonly target: string;
}

/** Settings of the whole cluster that name further places, separated by commas or blanks, by the purpose whose secret is shown there. */
const PLACES: Readonly<Record<string, string>> = { probe: 'probeTargets', sentinel: 'sentinels' };

/**
 * Where the secret of the cluster's credential with this purpose is shown: what the driver connects to on every node, for `probe` also
 * the targets that the cluster's owner names, and for `sentinel` the Sentinels beside the nodes. A name that the document's author chooses (a node's slug) proves nothing here.
 */
export function secretPlaces({ nodes, settings }: ClusterDefinition, purpose: string): readonly SecretPlace[] {
  const ofNodes = nodes.flatMap((node) => addressesOf(node).map((target) => ({ what: `node "${node.slug}"`, target })));
  const named = (settings[PLACES[purpose] ?? ''] ?? '').split(/[\s,]+/).filter((place) => place !== '');
  return [
    ...ofNodes,
    ...named.map((place) => ({ what: `${purpose === 'probe' ? 'probe target' : purpose} ${place}`, target: hostName(place) })),
  ];
}

/** Its address, and the host in the URL of its interface; the host's name where the driver works on the host itself. */
function addressesOf({ host, settings }: NodeDefinition): readonly string[] {
  const { address, api } = settings;
  const told = [...(address === undefined ? [] : [address]), ...(api === undefined ? [] : [hostName(api)])];
  return told.length === 0 ? [host] : [...new Set(told)];
}

/** Of a URL or of `host:port`; without the brackets of an IPv6 address. */
function hostName(place: string): string {
  const authority = place
    .trim()
    .replace(/^[a-z]+:\/\//i, '')
    .replace(/[/?#].*$/, '')
    .replace(/^.*@/, '');
  return authority.startsWith('[') ? authority.slice(1).replace(/\].*$/, '') : authority.replace(/:\d*$/, '');
}

/** An absolute path without `.`, `..` and superfluous slashes. */
function plainPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}
