/**
 * What nodes are made of, made once and kept: a base file system of the oldest packages, and for each role a layer with its packages.
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
const RELEASE = 'bookworm';

/** Runs in the new root: host keys of its own, no timers of apt, a volatile journal, an empty machine id. */
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
: > etc/machine-id
: > etc/resolv.conf
`;

export class HostFiles {
  constructor(readonly folder: string) {}

  /** The root file system that all nodes begin with. */
  async base(progress: (line: string) => void): Promise<string> {
    return this.kept('base', [RELEASE, ...PACKAGES, PREPARE], async (made) => {
      progress('the base file system of the test hosts is made; this takes a minute, once');
      const mirror = await mirrorOf(RELEASE);
      const argv = ['mmdebstrap', '--quiet', '--variant=minbase', '--components=main'] as const;
      const options = ['--aptopt=APT::Install-Recommends "false"', `--include=${PACKAGES.join(',')}`];
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
