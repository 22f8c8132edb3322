/** The partner: the script of an engineer (bench/hosts/by-hand.sh), on hosts of its own. */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PATRONI_SECRETS } from '@understudy/testing/stand';
import { REPOSITORY } from '../../product.js';
import type { Room } from '../room.js';

const SCRIPT = join(REPOSITORY, 'bench/hosts/by-hand.sh');
const LIMIT_MS = 900_000;

export class Hand {
  private constructor(private readonly argv: readonly string[]) {}

  /** Root's login on the room's hosts, and an ssh configuration that keeps connections, as an engineer's does. */
  static async on(room: Room): Promise<Hand> {
    const key = await room.letRootIn();
    const [config, login] = [join(room.folder, 'ssh-config'), join(room.folder, 'rest-login')];
    const hosts = room.hosts.map(({ name, address }) => `Host ${name}\n  HostName ${address}\n`);
    const settings = [
      ...['User root', `IdentityFile ${key}`, `UserKnownHostsFile ${room.knownHosts}`, 'ConnectTimeout 5', 'BatchMode yes'],
      ...['ControlMaster auto', `ControlPath ${room.folder}/cm-%h`, 'ControlPersist 120', 'LogLevel ERROR'],
      ...['ServerAliveInterval 2', 'ServerAliveCountMax 3'],
    ];
    writeFileSync(config, `${hosts.join('')}Host *\n${settings.map((line) => `  ${line}\n`).join('')}`);
    writeFileSync(login, `${PATRONI_SECRETS.restApi.user}:${PATRONI_SECRETS.restApi.password}`, { mode: 0o600 });
    return new Hand([SCRIPT, config, login]);
  }

  /** Runs one of the script's verbs to its end. @returns how long it took, in milliseconds. @throws with what it said. */
  async does(...words: readonly string[]): Promise<number> {
    const begun = performance.now();
    await promisify(execFile)('bash', [...this.argv, ...words], { timeout: LIMIT_MS, maxBuffer: 16 * 1024 * 1024 });
    return performance.now() - begun;
  }
}
