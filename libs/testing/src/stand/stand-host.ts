import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { readBelow, writeBelow } from './files.js';
import { shell } from './shell.js';

const STOP_LIMIT_MS = 30_000;
const LOOK_MS = 100;
/** What systemd-nspawn ends with when the host rebooted itself; it does not start it again. */
const REBOOTED = 133;

/**
 * Keeps the host running: in a group of processes of its own, started again when it rebooted, after as long as the file `delay` says.
 * Arguments: the host's folder, its name, its network namespace.
 */
const KEEPER = `
for hierarchy in systemd unified memory; do
  [ -d /sys/fs/cgroup/$hierarchy ] || continue
  mkdir -p /sys/fs/cgroup/$hierarchy/$4 && echo 0 > /sys/fs/cgroup/$hierarchy/$4/cgroup.procs
done
while :; do
  SYSTEMD_NSPAWN_API_VFS_WRITABLE=network systemd-nspawn --quiet --register=no --keep-unit -D "$1/root" -M "$2" \\
    --network-namespace-path="/run/netns/$3" --capability=CAP_NET_ADMIN,CAP_NET_RAW,CAP_IPC_LOCK,CAP_SYS_NICE --console=pipe --boot
  code=$?
  [ $code = ${REBOOTED} ] || exit $code
  [ ! -e "$1/never" ] || exit 0
  sleep "$(cat "$1/delay" 2>/dev/null || echo 0)"
done`;

/** A light host: its own network, file system, systemd, sshd, dpkg and boot id; kernel and clock are the machine's. */
export class StandHost {
  private keeper: ChildProcess | undefined;

  /**
   * @param folder where its overlay lies.
   * @param group its name in the machine's groups of processes, which no other host has.
   */
  constructor(
    readonly name: string,
    readonly address: string,
    private readonly folder: string,
    private readonly group: string,
  ) {}

  get root(): string {
    return join(this.folder, 'root');
  }

  /** Makes its file system over `lower` and its cable; it does not run yet. */
  async make(lower: string, known: readonly { readonly name: string; readonly address: string }[]): Promise<void> {
    for (const part of ['up', 'wk', 'root']) mkdirSync(join(this.folder, part), { recursive: true });
    const options = `lowerdir=${lower},upperdir=${join(this.folder, 'up')},workdir=${join(this.folder, 'wk')}`;
    await shell(['mount', '-t', 'overlay', 'overlay', '-o', options, this.root]);
    writeBelow(this.root, 'etc/hostname', `${this.name}\n`);
    const names = known.map(({ name, address }) => `${address} ${name}\n`).join('');
    writeBelow(this.root, 'etc/hosts', `127.0.0.1 localhost\n${names}`);
    await shell(['ip', 'netns', 'add', this.name]);
    await shell(['ip', 'link', 'add', this.cable, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', this.name]);
    await shell(['ip', 'link', 'set', this.cable, 'master', 'br0', 'up']);
    await shell(['ip', '-n', this.name, 'link', 'set', 'lo', 'up']);
    await shell(['ip', '-n', this.name, 'addr', 'add', `${this.address}/24`, 'dev', 'eth0']);
    await shell(['ip', '-n', this.name, 'link', 'set', 'eth0', 'up']);
  }

  /** Starts it; it answers a little later. */
  powerOn(): void {
    rmSync(join(this.folder, 'never'), { force: true });
    const log = openSync(join(this.folder, 'console.log'), 'a');
    const args = ['-c', KEEPER, 'keeper', this.folder, this.name, this.name, this.group];
    this.keeper = spawn('sh', args, { stdio: ['ignore', log, log] });
    closeSync(log);
  }

  /** At once, as when the plug is pulled: every process of it is gone, nothing is synced. */
  async powerCut(): Promise<void> {
    const keeper = this.keeper;
    if (keeper === undefined || keeper.exitCode !== null) return;
    const ended = new Promise((resolve) => keeper.once('exit', resolve));
    const init = this.init();
    if (init === undefined) keeper.kill('SIGKILL');
    else process.kill(init, 'SIGKILL');
    await Promise.race([ended, delay(STOP_LIMIT_MS)]);
  }

  cutLink(): Promise<string> {
    return shell(['ip', 'link', 'set', this.cable, 'down']);
  }

  mendLink(): Promise<string> {
    return shell(['ip', 'link', 'set', this.cable, 'up']);
  }

  /** How long its next reboots take beyond its own start; `never`: it does not come back. */
  rebootsIn(delayMs: number | 'never'): void {
    if (delayMs === 'never') writeFileSync(join(this.folder, 'never'), '');
    else writeFileSync(join(this.folder, 'delay'), String(delayMs / 1_000));
  }

  /** As an administrator would; resolves when it is up again. Nothing enters it while it goes down: that could hold it up. */
  async reboot(limitMs: number): Promise<void> {
    const until = Date.now() + limitMs;
    const before = this.init();
    await this.inside('systemctl reboot');
    while (this.init() === before || this.init() === undefined) {
      if (Date.now() > until) throw new Error(`host ${this.name} did not reboot within ${limitMs} ms:\n${this.console()}`);
      await delay(LOOK_MS);
    }
    await this.untilUp(until - Date.now());
  }

  /** Runs a script as root on it, without ssh: for what a test prepares and for what it looks at. @throws with its last words. */
  async inside(script: string, limitMs = 60_000): Promise<string> {
    const init = this.init();
    if (init === undefined) throw new Error(`host ${this.name} does not run`);
    return shell(['nsenter', '-t', String(init), '-a', 'sh', '-c', `exec </dev/null\n${script}`], { limitMs });
  }

  /** Resolves when its systemd has started what a boot starts. */
  async untilUp(limitMs: number): Promise<void> {
    const until = Date.now() + limitMs;
    for (;;) {
      const state = await this.inside('systemctl is-system-running || true', 5_000).catch((error: unknown) => String(error));
      if (/^(running|degraded)$/.test(state.trim())) return;
      if (Date.now() > until) throw new Error(`host ${this.name} is not up after ${limitMs} ms: ${state}\n${this.console()}`);
      await delay(LOOK_MS);
    }
  }

  /** Its public host keys, as lines of a known hosts file. */
  knownHosts(): string {
    return ['ed25519', 'ecdsa', 'rsa']
      .map((kind) => readBelow(this.root, `etc/ssh/ssh_host_${kind}_key.pub`).split(' ').slice(0, 2).join(' '))
      .map((key) => `${this.address} ${key}\n`)
      .join('');
  }

  private console(): string {
    return readFileSync(join(this.folder, 'console.log'), 'utf8').split('\n').slice(-15).join('\n');
  }

  private get cable(): string {
    return `v-${this.name}`;
  }

  /** The process that is 1 in there: the child of systemd-nspawn, which is the keeper's. */
  private init(): number | undefined {
    const nspawn = this.keeper?.pid === undefined ? undefined : childOf(this.keeper.pid);
    return nspawn === undefined ? undefined : childOf(nspawn);
  }
}

function childOf(pid: number): number | undefined {
  try {
    const first = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0];
    return first ? Number(first) : undefined;
  } catch {
    return undefined; // it has ended
  }
}
