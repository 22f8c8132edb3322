import { isAbsolute } from 'node:path';
import type { AccessDefinition, HostDefinition } from '@understudy/cluster';
import { HostError } from '../host-error.js';
import type { HostAccess } from './access.js';
import { LocalAccess } from './local/local.js';

type Opener<Kind extends AccessDefinition['kind']> = (
  host: string,
  access: Extract<AccessDefinition, { kind: Kind }>,
) => HostAccess;

/** Every way to reach a host. A new one is its folder and its line here, and passes `contract.ts`. */
const accesses: { readonly [Kind in AccessDefinition['kind']]: Opener<Kind> } = {
  local: (host, access) => {
    if (!isAbsolute(access.root)) {
      throw new HostError(
        'host-root-not-absolute',
        `The root folder of host ${host} is "${access.root}". Give it as an absolute path.`,
      );
    }
    return new LocalAccess(host, access.root);
  },
};

/** @throws HostError when the definition cannot be used as it is. */
export function openAccess(definition: HostDefinition): HostAccess {
  return accesses[definition.access.kind](definition.slug, definition.access);
}
