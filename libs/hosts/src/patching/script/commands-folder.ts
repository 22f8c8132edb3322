import { createHash } from 'node:crypto';
import { lstatSync, readFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { HostError } from '../../host-error.js';

/** `manifest.json` in the admin's folder; a command is the file of its name in that folder. */
export interface CommandsManifest {
  readonly service: 'stopped' | 'restarts' | 'untouched';
  readonly mayNeedReboot: boolean;
  /** SHA-256 of each command's file, in lower-case hex, by the command's name. */
  readonly commands: Readonly<Record<string, { readonly sha256: string }>>;
}

export interface Command {
  readonly name: string;
  readonly sha256: string;
  readonly bytes: Buffer;
}

const COMMAND_BYTES_LIMIT = 256 * 1024;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
const SHA256 = /^[0-9a-f]{64}$/;
const WRITABLE_BY_OTHERS = 0o022;

/**
 * The folder on the orchestrator's machine that only its admin writes to: commands by name and digest. What runs on a
 * host is the bytes that were digested here, whatever lies on the host.
 */
export class CommandsFolder {
  readonly manifest: CommandsManifest;

  /** @throws HostError when the folder or its manifest could have been written by somebody else, or makes no sense. */
  constructor(private readonly folder: string) {
    if (!isAbsolute(folder)) throw unsafe(`The commands folder is "${folder}". Give it as an absolute path.`);
    checkOwned(folder, 'directory');
    this.manifest = readManifest(join(folder, 'manifest.json'));
  }

  /**
   * Reads a command now, so that a file changed since the start is found.
   * @param expectedSha256 the digest that whoever named the command meant; it must be the manifest's.
   * @throws HostError when the command is not in the manifest, or its file is not what the digest says.
   */
  read(name: string, expectedSha256: string): Command {
    const listed = this.manifest.commands[name];
    if (!NAME.test(name) || !listed)
      throw new HostError('command-unknown', `There is no command "${name}" in the manifest of ${this.folder}.`);
    if (listed.sha256 !== expectedSha256) {
      throw unsafe(
        `Command "${name}" was named with digest ${expectedSha256}, the manifest says ${listed.sha256}. Have it looked at and named again.`,
      );
    }
    const path = join(this.folder, name);
    checkOwned(path, 'file');
    const bytes = readFileSync(path);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    if (sha256 !== listed.sha256)
      throw unsafe(`${path} has digest ${sha256}, the manifest says ${listed.sha256}. It was changed; nothing was run.`);
    return { name, sha256, bytes };
  }
}

function readManifest(path: string): CommandsManifest {
  checkOwned(path, 'file');
  const value = parsed(path);
  const problem = problemOf(value);
  if (problem !== null) throw unsafe(`${path}: ${problem}`);
  return value as CommandsManifest;
}

function parsed(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw unsafe(`${path} cannot be read as JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function problemOf(value: unknown): string | null {
  if (!isRecord(value)) return 'it is not an object.';
  const unknown = Object.keys(value).find((name) => !['service', 'mayNeedReboot', 'commands'].includes(name));
  if (unknown !== undefined) return `"${unknown}" is not known here.`;
  if (!['stopped', 'restarts', 'untouched'].includes(String(value['service'])))
    return '"service" must be "stopped", "restarts" or "untouched".';
  if (typeof value['mayNeedReboot'] !== 'boolean') return '"mayNeedReboot" must be true or false.';
  if (!isRecord(value['commands'])) return '"commands" must be an object of { "<name>": { "sha256": "<digest>" } }.';
  const bad = Object.entries(value['commands']).find(
    ([name, entry]) => !NAME.test(name) || !isRecord(entry) || !SHA256.test(String(entry['sha256'])),
  );
  return bad === undefined ? null : `command "${bad[0]}" needs a plain name and a lower-case "sha256".`;
}

function checkOwned(path: string, kind: 'file' | 'directory'): void {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat) throw unsafe(`${path} does not exist.`);
  if (kind === 'directory' ? !stat.isDirectory() : !stat.isFile())
    throw unsafe(`${path} is not a ${kind} (links are not followed).`);
  const own = process.getuid?.();
  if (stat.uid !== 0 && stat.uid !== own)
    throw unsafe(`${path} belongs to user ${stat.uid}. It must belong to root or to the user that runs Understudy.`);
  if ((stat.mode & WRITABLE_BY_OTHERS) !== 0)
    throw unsafe(`${path} can be written by others. Take that away: chmod go-w ${path}`);
  if (stat.isFile() && stat.size > COMMAND_BYTES_LIMIT)
    throw unsafe(`${path} has ${stat.size} bytes; at most ${COMMAND_BYTES_LIMIT} are read.`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function unsafe(message: string): HostError {
  return new HostError('commands-folder-unsafe', message);
}
