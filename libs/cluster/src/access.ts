import type { AccessDefinition, SshPlace } from './definition.js';

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

/** An absolute path without `.`, `..` and superfluous slashes. */
function plainPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}
