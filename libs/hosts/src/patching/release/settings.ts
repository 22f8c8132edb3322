import type { HostDefinition, PatchItem } from '@understudy/cluster';
import { HostError } from '../../host-error.js';

export interface ReleaseSettings {
  /** Holds the releases, relative to the host's root. */
  readonly folder: string;
  /** The link that the service is started through, relative to the host's root. */
  readonly link: string;
  /** A program in every release that answers `--version`, e.g. `bin/postgres`. */
  readonly program?: string;
}

const KNOWN = ['folder', 'link', 'item', 'program'];
const PATH = /^[A-Za-z0-9][A-Za-z0-9._+-]*(\/[A-Za-z0-9][A-Za-z0-9._+-]*)*$/;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._+-]*$/;

/** @throws HostError when the host's settings for this source are missing, unknown or lead out of its root. */
export function checkedSettings(host: HostDefinition, item: PatchItem): ReleaseSettings {
  const settings = host.patching['release'];
  if (!settings) throw bad(host, 'has no patching.release. Add { "folder": "releases", "link": "current" } with its own names.');
  const unknown = Object.keys(settings).find((name) => !KNOWN.includes(name));
  if (unknown !== undefined)
    throw bad(host, `has patching.release.${unknown}, which is not known. Known are ${KNOWN.join(', ')}.`);
  if (settings['item'] !== undefined && settings['item'] !== item.name) {
    throw bad(
      host,
      `keeps releases of "${settings['item']}", and the patch set wants "${item.name}". Name another source for that item.`,
    );
  }
  const program = settings['program'];
  return {
    folder: path(host, 'folder', settings['folder']),
    link: path(host, 'link', settings['link']),
    ...(program === undefined ? {} : { program: path(host, 'program', program) }),
  };
}

/** The directory that should hold the item's target version. @throws HostError for a name that is more than a name. */
export function directoryOf(item: PatchItem): string {
  const directory = item.artifact ?? `${item.name}-${item.targetVersion}`;
  if (NAME.test(directory)) return directory;
  throw new HostError(
    'host-setting-invalid',
    `"${directory}" cannot be the directory of a release: letters, digits and . _ + - only.`,
  );
}

function path(host: HostDefinition, name: string, value: string | undefined): string {
  if (value !== undefined && PATH.test(value)) return value;
  throw bad(
    host,
    `has patching.release.${name} "${value ?? ''}". Give a path below the host's root, of letters, digits and . _ + -.`,
  );
}

function bad(host: HostDefinition, what: string): HostError {
  return new HostError('host-setting-invalid', `Host ${host.slug} ${what}`);
}
