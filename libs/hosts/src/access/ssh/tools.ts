import { readFileSync } from 'node:fs';
import type { SshTools } from './links.js';

/** Credentials by name, each for the hosts that it may be shown to. Throws what explains itself. */
export interface CredentialResolver {
  resolve(name: string, hosts: readonly string[]): { readonly secret?: string };
}

/** As a service has them: private keys are secrets of credentials, host keys stand in a file, which is read for each connection. */
export function sshTools(credentials: CredentialResolver, knownHostsFile: string | undefined): SshTools {
  return {
    privateKey: (credential, address) => {
      const { secret } = credentials.resolve(credential, [address]);
      if (secret === undefined)
        throw new Error(`the credential ${JSON.stringify(credential)} has no secret: it holds no private key`);
      return secret;
    },
    knownHosts: () => (knownHostsFile === undefined ? '' : textOf(knownHostsFile)),
  };
}

/** An installation that pins its keys needs no file. */
function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw new Error(`the known hosts file ${file} cannot be read`, { cause: error });
  }
}
