import { isAbsolute } from 'node:path';
import type { AccessDefinition, HostDefinition } from '@understudy/cluster';
import { HostError } from '../host-error.js';
import type { HostAccess } from './access.js';
import { LocalAccess } from './local/local.js';
import type { SshLinks } from './ssh/links.js';
import { SshAccess } from './ssh/ssh.js';

/** What a process has for reaching hosts. */
export interface AccessTools {
  /** Its SSH connections; without them no host is reached by SSH. */
  readonly ssh?: SshLinks;
}

type Opener<Kind extends AccessDefinition['kind']> = (
  host: string,
  access: Extract<AccessDefinition, { kind: Kind }>,
  tools: AccessTools,
) => HostAccess;

/** Every way to reach a host. A new one is its folder and its line here, and passes `contract.ts`. */
const accesses: { readonly [Kind in AccessDefinition['kind']]: Opener<Kind> } = {
  local: (host, { root }) => new LocalAccess(host, root),
  ssh: (host, access, { ssh }) => {
    if (ssh === undefined)
      throw new HostError('host-unreachable-by-ssh', `Host ${host} is reached by SSH, which this process was not set up for.`);
    return new SshAccess(host, access, ssh);
  },
};

/** @throws HostError when the definition cannot be used as it is. */
export function openAccess({ slug, access }: HostDefinition, tools: AccessTools = {}): HostAccess {
  if (!isAbsolute(access.root))
    throw new HostError(
      'host-root-not-absolute',
      `The root folder of host ${slug} is "${access.root}". Give it as an absolute path.`,
    );
  const opener = accesses[access.kind] as Opener<AccessDefinition['kind']>;
  return opener(slug, access, tools);
}
