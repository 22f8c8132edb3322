/**
 * What hosts begin with, made once and kept: for each role a file system with its packages, the oldest that the release has.
 * Everything lies in one folder; a changed recipe has another name.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { shell } from './shell.js';

const BASE_LIMIT_MS = 600_000;
const PACKAGES = [
  'systemd',
  'systemd-sysv',
  'dbus',
  'libpam-systemd',
  'openssh-server',
  'iproute2',
  'iputils-ping',
  'procps',
  'python3',
  'sudo',
  'ca-certificates',
  'curl',
];
/** What a host of a role has beside the base. */
const ROLES = {
  base: [],
  patroni: ['postgresql-15', 'patroni', 'etcd-server', 'etcd-client'],
  redis: ['redis-server', 'redis-sentinel', 'redis-tools'],
  pacemaker: ['pacemaker', 'pacemaker-cli-utils', 'corosync', 'resource-agents', 'resource-agents-paf', 'postgresql-15'],
} as const satisfies Readonly<Record<string, readonly string[]>>;
export type Role = keyof typeof ROLES;
/** Packages that the release has in two versions: its hosts begin with the older one, and the archive has both. */
const UPGRADES: readonly { readonly role: Role; readonly packages: readonly string[] }[] = [
  { role: 'patroni', packages: ['postgresql-15', 'openssl'] },
];

const RELEASE = 'bookworm';

/** Runs in the new root: host keys of its own, no timers of apt, a volatile journal, an empty machine id, no server that a package made. */
const PREPARE = `
set -eu
rm -f etc/ssh/ssh_host_*
cat > etc/systemd/system/host-keys.service <<'UNIT'
[Unit]
Before=ssh.service
[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -A
[Install]
WantedBy=multi-user.target
UNIT
ln -sf ../host-keys.service etc/systemd/system/multi-user.target.wants/host-keys.service
for timer in apt-daily.timer apt-daily-upgrade.timer; do ln -sf /dev/null etc/systemd/system/$timer; done
mkdir -p etc/systemd/journald.conf.d
printf '[Journal]\\nStorage=volatile\\n' > etc/systemd/journald.conf.d/volatile.conf
echo force-unsafe-io > etc/dpkg/dpkg.cfg.d/force-unsafe-io
rm -rf var/lib/postgresql/15 etc/postgresql/15
for unit in postgresql etcd patroni; do rm -f etc/systemd/system/multi-user.target.wants/$unit.service; done
: > etc/machine-id
: > etc/resolv.conf
`;

/**
 * Runs in the archive's folder: fetches what an upgrade of the packages changes on a host with that root, in both versions.
 * ROOT RELEASE MIRROR SECURITY PACKAGE...
 */
const FETCH_UPGRADES = `
set -eu
root=$1 release=$2 mirror=$3 security=$4; shift 4
own=$(mktemp -d); trap 'rm -rf "$own"' EXIT
mkdir -p "$own/state/lists/partial" "$own/cache/archives/partial"
printf 'deb %s %s main\\ndeb %s %s-security main\\n' "$mirror" "$release" "$security" "$release" > "$own/sources.list"
apt() {
  apt-get -q -o Dir::State="$own/state" -o Dir::State::status="$root/var/lib/dpkg/status" -o Dir::Cache="$own/cache" \\
    -o Dir::Etc::sourcelist="$own/sources.list" -o Dir::Etc::sourceparts=- -o APT::Sandbox::User=root "$@"
}
apt update
apt -s --no-install-recommends install "$@" | sed -n 's/^Inst \\([^ ]*\\) \\[\\([^]]*\\)\\] (\\([^ ]*\\) .*/\\1=\\2 \\1=\\3/p' > "$own/wanted"
[ -s "$own/wanted" ] || { echo "no newer version of $* is in the archive" >&2; exit 1; }
apt download $(cat "$own/wanted")
`;

export class HostFiles {
  constructor(readonly folder: string) {}

  /** The root file systems that hosts begin with, by role. `progress` hears what takes long. */
  async roles(progress: (line: string) => void): Promise<Readonly<Record<Role, string>>> {
    const entries: [string, string][] = [];
    for (const [role, packages] of Object.entries(ROLES)) entries.push([role, await this.role(role, packages, progress)]);
    return Object.fromEntries(entries) as Record<Role, string>;
  }

  /** A folder with packages in an older and a newer version. `roles` is what `roles()` answered. */
  upgrades(roles: Readonly<Record<Role, string>>, progress: (line: string) => void): Promise<string> {
    const recipe = [...Object.values(roles), JSON.stringify(UPGRADES), FETCH_UPGRADES];
    return this.kept('upgrades', recipe, async (made) => {
      progress('upgrades for the test hosts are fetched, once');
      mkdirSync(made);
      const mirrors = [await mirrorOf(RELEASE), await mirrorOf(`${RELEASE}-security`)];
      for (const { role, packages } of UPGRADES)
        await shell(['sh', '-c', FETCH_UPGRADES, 'fetch', roles[role], RELEASE, ...mirrors, ...packages], {
          cwd: made,
          limitMs: BASE_LIMIT_MS,
        });
    });
  }

  private role(role: string, more: readonly string[], progress: (line: string) => void): Promise<string> {
    const packages = [...PACKAGES, ...more];
    return this.kept(role, [RELEASE, ...packages, PREPARE], async (made) => {
      progress(`the file system of test hosts with the role "${role}" is made; this takes a minute, once`);
      const mirror = await mirrorOf(RELEASE);
      const argv = ['mmdebstrap', '--quiet', '--variant=minbase', '--components=main'] as const;
      const options = ['--aptopt=APT::Install-Recommends "false"', `--include=${packages.join(',')}`];
      await shell([...argv, ...options, RELEASE, made, `deb ${mirror} ${RELEASE} main`], { limitMs: BASE_LIMIT_MS });
      await shell(['sh', '-c', PREPARE], { cwd: made });
    });
  }

  /** A folder below ours that `make` fills, once: it appears when it is whole. */
  private async kept(name: string, recipe: readonly string[], make: (folder: string) => Promise<void>): Promise<string> {
    const digest = createHash('sha256').update(JSON.stringify(recipe)).digest('hex').slice(0, 16);
    const folder = join(this.folder, `${name}-${digest}`);
    if (existsSync(folder)) return folder;
    const making = `${folder}.making`;
    rmSync(making, { recursive: true, force: true });
    mkdirSync(dirname(making), { recursive: true });
    await make(making);
    renameSync(making, folder);
    return folder;
  }
}

/** The archive that this machine's own apt takes that release from. */
async function mirrorOf(release: string): Promise<string> {
  const targets = await shell([
    'apt-get',
    'indextargets',
    '--format',
    '$(REPO_URI) $(RELEASE) $(COMPONENT)',
    'Created-By: Packages',
  ]);
  const line = targets.split('\n').find((each) => each.endsWith(` ${release} main`));
  if (line === undefined) throw new Error(`apt has no archive of ${release} main: run apt-get update first.`);
  return line.split(' ')[0] ?? '';
}

export function writeBelow(root: string, path: string, text: string, mode = 0o644): void {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text, { mode });
}

export function readBelow(root: string, path: string): string {
  return readFileSync(join(root, path), 'utf8');
}
