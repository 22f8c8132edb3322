/**
 * Credentials by name. Only an admin defines them; each says where its secret lies (never the secret itself) and to which hosts it
 * may be shown. API documents name a credential and can make the server neither read a path nor talk to another host.
 */
import { readFileSync, statSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { PrivateJsonFile } from './private-file.js';
import { Problem } from './problems.js';
import { registerSecret } from './redaction.js';

export interface CredentialDefinition {
  /** `env:NAME` or `file:/absolute/path`; none for a credential without a secret (peer or certificate authentication). */
  readonly source?: string;
  readonly user?: string;
  /** Host names or addresses; `*` stands for one label or the rest of one, `**` for anything. */
  readonly hosts: readonly string[];
}

export interface ResolvedCredential {
  readonly user?: string;
  readonly secret?: string;
}

interface CredentialFile {
  readonly version: 1;
  readonly credentials: Readonly<Record<string, CredentialDefinition>>;
}

export const CREDENTIAL_NAME = /^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$/;
const MAX_SECRET_BYTES = 64 * 1024;
const MAX_CREDENTIALS = 1_000;

export class CredentialStore {
  private readonly file: PrivateJsonFile<CredentialFile>;

  constructor(
    path: string,
    private readonly env: Readonly<Record<string, string | undefined>> = process.env,
  ) {
    this.file = new PrivateJsonFile(path, { version: 1, credentials: {} }, parseCredentials);
  }

  /** Definitions by name, sorted; they hold no secrets. For admins only: the door checks the role. */
  list(): readonly (CredentialDefinition & { readonly name: string })[] {
    return Object.entries(this.file.read().credentials)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, definition]) => ({ name, ...definition }));
  }

  get(name: string): CredentialDefinition | undefined {
    const { credentials } = this.file.read();
    return Object.hasOwn(credentials, name) ? credentials[name] : undefined;
  }

  /** Defines or replaces one. For admins only: the door checks the role. Throws `Problem` CREDENTIAL_INVALID. */
  async put(name: string, definition: CredentialDefinition): Promise<void> {
    checkDefinition(name, definition);
    await this.file.update(({ credentials }) => {
      if (Object.keys(credentials).length >= MAX_CREDENTIALS)
        throw invalid('', `There are ${MAX_CREDENTIALS} credentials; remove one first.`);
      return { version: 1, credentials: { ...credentials, [name]: definition } };
    });
  }

  /** For admins only. Answers whether there was one. */
  async remove(name: string): Promise<boolean> {
    const existed = this.get(name) !== undefined;
    await this.file.update(({ credentials }) => ({
      version: 1,
      credentials: Object.fromEntries(Object.entries(credentials).filter(([key]) => key !== name)),
    }));
    return existed;
  }

  /**
   * The secret, for a connection to exactly these hosts. Throws `Problem` CREDENTIAL_UNKNOWN, CREDENTIAL_HOST_REFUSED (a host outside the
   * patterns) or CREDENTIAL_UNREADABLE; none of them repeats a value or a path. The value is blotted out of logs from now on.
   */
  resolve(name: string, hosts: readonly string[]): ResolvedCredential {
    const definition = this.get(name);
    if (definition === undefined) {
      throw new Problem(
        'invalid',
        'CREDENTIAL_UNKNOWN',
        `There is no credential named ${JSON.stringify(name)}. An admin can define it: PUT /v1/credentials/${name}.`,
      );
    }
    const outside = hosts.filter((host) => !definition.hosts.some((pattern) => hostMatches(pattern, host)));
    if (hosts.length === 0 || outside.length > 0) {
      throw new Problem(
        'forbidden',
        'CREDENTIAL_HOST_REFUSED',
        `The credential ${JSON.stringify(name)} may not be shown to ${outside.join(', ') || 'an unnamed host'}. An admin can add the host to its patterns.`,
      );
    }
    const secret = definition.source === undefined ? undefined : this.secretOf(name, definition.source);
    if (secret !== undefined) registerSecret(secret);
    return { ...(definition.user === undefined ? {} : { user: definition.user }), ...(secret === undefined ? {} : { secret }) };
  }

  private secretOf(name: string, source: string): string {
    const reference = source.slice(source.indexOf(':') + 1);
    const value = source.startsWith('env:') ? this.env[reference] : readSecretFile(reference);
    if (value === undefined || value === '') {
      throw new Problem(
        'unavailable',
        'CREDENTIAL_UNREADABLE',
        `The secret of the credential ${JSON.stringify(name)} cannot be read where its definition says. An admin must mend the definition or its source.`,
      );
    }
    return value;
  }
}

function readSecretFile(path: string): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined || !stat.isFile() || stat.size > MAX_SECRET_BYTES || (stat.mode & 0o007) !== 0) return undefined;
  try {
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  } catch {
    return undefined;
  }
}

/** `*` matches within one label, `**` everything; names are compared without case. */
export function hostMatches(pattern: string, host: string): boolean {
  const source = pattern
    .toLowerCase()
    .split(/(\*\*|\*)/)
    .map((part) => (part === '**' ? '.*' : part === '*' ? '[^.]*' : part.replace(/[\\^$.|?+()[\]{}]/g, '\\$&')))
    .join('');
  return new RegExp(`^${source}$`).test(host.toLowerCase());
}

function invalid(pointer: string, detail: string): Problem {
  return new Problem('invalid', 'CREDENTIAL_INVALID', detail, { errors: [{ pointer, code: 'CREDENTIAL_INVALID', detail }] });
}

function checkDefinition(name: string, { source, hosts }: CredentialDefinition): void {
  if (!CREDENTIAL_NAME.test(name))
    throw invalid('', 'A credential is named by lower-case letters, digits and hyphens, at most 64.');
  if (hosts.length === 0) throw invalid('/hosts', 'A credential needs at least one host pattern; ** allows every host.');
  if (source === undefined) return;
  const [, kind, reference = ''] = /^(env|file):(.+)$/.exec(source) ?? [];
  if (kind === 'env' && /^[A-Za-z_][A-Za-z0-9_]*$/.test(reference)) return;
  if (kind === 'file' && isAbsolute(reference)) return;
  throw invalid('/source', 'The source of a secret is env:NAME or file:/absolute/path.');
}

function parseCredentials(document: unknown): CredentialFile {
  const file = document as Partial<CredentialFile> | null;
  if (file?.version !== 1 || typeof file.credentials !== 'object' || file.credentials === null) {
    throw new Error('it is not a credential file of version 1');
  }
  for (const [name, definition] of Object.entries(file.credentials)) {
    if (!Array.isArray(definition.hosts)) throw new Error(`its entry ${name} has no hosts`);
    checkDefinition(name, definition);
  }
  return { version: 1, credentials: file.credentials };
}
