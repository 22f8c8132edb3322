import { HostError } from '../host-error.js';
import { aptSource } from './apt/apt.js';
import { releaseSource } from './release/release.js';
import { scriptSource } from './script/script.js';
import type { PatchSource } from './source.js';

export interface PatchSourceOptions {
  /** Absolute path of the admin's commands folder on this machine. Without it there is no `script` source. */
  readonly commandsFolder?: string;
}

/** Every way of patching a host. A new one is its folder and its line here, and passes `contract.ts`. */
const makers: Readonly<Record<string, (options: PatchSourceOptions) => PatchSource | null>> = {
  apt: () => aptSource,
  release: () => releaseSource,
  script: ({ commandsFolder }) => (commandsFolder === undefined ? null : scriptSource(commandsFolder)),
};

export const patchSourceNames: readonly string[] = Object.keys(makers);

/**
 * The patch sources that this installation has, by name.
 * @throws HostError when the commands folder is not safe.
 */
export function patchSources(options: PatchSourceOptions = {}): (name: string) => PatchSource {
  const sources = new Map<string, PatchSource>();
  for (const [name, make] of Object.entries(makers)) {
    const source = make(options);
    if (source) sources.set(name, source);
  }
  return (name) => {
    const source = sources.get(name);
    if (source) return source;
    const why = patchSourceNames.includes(name) ? 'is not set up here: it needs the commands folder' : 'is not known';
    throw new HostError('patch-source-unknown', `Patch source "${name}" ${why}. There are: ${[...sources.keys()].join(', ')}.`);
  };
}
