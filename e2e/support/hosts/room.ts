/** The product beside hosts of their own: three with PostgreSQL under Patroni, packages to come, and a client that writes all the time. */
import { once } from 'node:events';
import { chownSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { LedgerEntry, LoadWorker } from '@understudy/testing/outside';
import { startLoad } from '@understudy/testing/outside';
import {
  type Account,
  type MadePackage,
  PATRONI_DATABASE,
  PATRONI_SECRETS,
  patroniDefinition,
  patroniHosts,
  preparePatroniHosts,
  StandArchive,
  standAccount,
  STAND_SCRATCH,
  type StandHost,
} from '@understudy/testing/stand';
import { Rest } from '../distributed/rest.js';
import { rolloutOf, WatchedRollout } from '../distributed/rollout.js';
import { type RunningProduct, startProduct } from '../product.js';

const MINUTE_MS = 60_000;
const WINDOW_MINUTES = 60;
export const LOAD_INTERVAL_MS = 20;
const LOAD_TIMEOUT_MS = 2_000;
export const LOAD_TABLE = 'load.writes';
/** An account that may log in, and nothing else. */
export const JUDGE = 'auditor';
const CLUSTER = 'orders';
/** Of the probe's job: anybody but root. */
const NOBODY = 65_534;

/** What becomes of one package. */
export interface Item {
  readonly name: string;
  readonly targetVersion: string;
}

export interface RoomOptions {
  readonly made: readonly MadePackage[];
  /** What every host begins with of those, as `NAME=VERSION`. */
  readonly installed: readonly string[];
}

let rooms = 0;

export class Room {
  private load: LoadWorker | undefined;
  private product: RunningProduct | undefined;

  /** @param folder of its own: the product's data, secrets, ledgers. */
  private constructor(
    readonly folder: string,
    readonly hosts: readonly StandHost[],
    readonly archive: StandArchive,
  ) {}

  /** Formed, prepared, registered, with a client that writes. */
  static async open({ made, installed }: RoomOptions): Promise<Room> {
    // Hosts are called after it, and so are their cables, in at most 15 characters.
    const name = `room${(rooms += 1)}`;
    const folder = join(STAND_SCRATCH, name);
    mkdirSync(join(folder, 'data'), { recursive: true, mode: 0o711 });
    const hosts = await patroniHosts(['a', 'b', 'c'].map((letter) => `${name}-${letter}`));
    const room = new Room(folder, hosts, await StandArchive.open(name, made));
    try {
      await room.furnish(name, installed);
      return room;
    } catch (error) {
      await room.close();
      throw error;
    }
  }

  get rest(): Rest {
    return new Rest(
      () => this.running.address,
      () => readFileSync(this.running.tokenFile, 'utf8').trim(),
    );
  }

  /** Of the client, as lines of JSON. */
  get ledger(): string {
    return join(this.folder, 'ledger.ndjson');
  }

  /** The key that opens the hosts to the product. */
  get productKey(): string {
    return join(this.folder, 'key.secret');
  }

  /** Every file of the product's data folder with its bytes as characters, its own store's among them. */
  dataFiles(): Readonly<Record<string, string>> {
    const data = join(this.folder, 'data');
    const files = readdirSync(data, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    return Object.fromEntries(
      files.map(({ parentPath, name }) => [join(parentPath, name), readFileSync(join(parentPath, name), 'latin1')]),
    );
  }

  /** How the judge reaches the hosts. */
  get judgeKey(): string {
    return join(this.folder, 'judge-key');
  }

  get knownHosts(): string {
    return join(this.folder, 'data', 'known_hosts');
  }

  /** What the product wrote beside its log of events. */
  get productLog(): string {
    return join(this.folder, 'data.log');
  }

  /** The newest version that the archive has of a package. */
  newest(name: string): string {
    const version = this.archive.versions(name).at(-1);
    if (version === undefined) throw new Error(`The archive has no ${name}.`);
    return version;
  }

  host(name: string): StandHost {
    const found = this.hosts.find((host) => host.name === name);
    if (found === undefined) throw new Error(`The room has no host ${name}.`);
    return found;
  }

  /** Kills the product at once, as the kernel would that is out of memory. */
  async killProduct(): Promise<void> {
    const { process } = this.running;
    const ended = once(process, 'exit');
    process.kill('SIGKILL');
    await ended;
  }

  /** Starts it on what it left. */
  async startProduct(): Promise<void> {
    this.product = await startProduct(join(this.folder, 'data'));
  }

  /** Schedules a window that opens now; answers its rollout. */
  async window(
    items: readonly Item[],
    playbook: Readonly<Record<string, unknown>> = {},
    kind: 'patch' | 'switchover-test' = 'patch',
  ): Promise<WatchedRollout> {
    const { rest } = this;
    const patchSet = await rest.post<{ id: string }>('/v1/patch-sets', {
      items: items.map((item) => ({ ...item, source: 'apt' })),
      advisories: [],
      publishedAt: new Date(Date.now() - MINUTE_MS).toISOString(),
    });
    await rest.put('/v1/playbooks/rolling', { ...PLAYBOOK, ...playbook });
    const opensAt = Date.now();
    const window = await rest.post<{ id: string }>('/v1/windows', {
      kind,
      clusters: [CLUSTER],
      patchSetId: patchSet.id,
      playbook: { name: 'rolling' },
      opensAt: new Date(opensAt).toISOString(),
      closesAt: new Date(opensAt + WINDOW_MINUTES * MINUTE_MS).toISOString(),
      tickets: [],
    });
    return new WatchedRollout(rest, await rolloutOf(rest, window.id));
  }

  /** Ends the client; answers its whole ledger. */
  async endLoad(): Promise<readonly LedgerEntry[]> {
    return (await this.load?.stop()) ?? [];
  }

  /** How many acknowledged writes of the ledger the cluster has not got. */
  async lostWrites(ledger: readonly LedgerEntry[]): Promise<number> {
    const query = `curl -fsS http://127.0.0.1:8008/primary >/dev/null 2>&1 || exit 0
su postgres -c "psql -AtqX ${PATRONI_DATABASE} -c 'select n from ${LOAD_TABLE}'"`;
    const answers = await Promise.all(this.hosts.map((host) => host.inside(query)));
    const found = new Set(answers.join('\n').split('\n').filter(Boolean).map(Number));
    if (found.size === 0) throw new Error('No node leads that could be asked for the writes.');
    return ledger.filter((entry) => entry.kind === 'ack' && !found.has(entry.n)).length;
  }

  /** Lets root log in on every host with a key of its own, as on hosts that are patched by hand. @returns the key's file. */
  async letRootIn(): Promise<string> {
    const { publicKey, privateKey } = standAccount(`root-of-${basename(this.folder)}`);
    const key = join(this.folder, 'root-key');
    writeFileSync(key, privateKey, { mode: 0o600 });
    const script = `install -d -m 0700 /root/.ssh; echo '${publicKey}' >> /root/.ssh/authorized_keys; chmod 0600 /root/.ssh/authorized_keys`;
    await Promise.all(this.hosts.map((host) => host.inside(script)));
    return key;
  }

  async close(): Promise<void> {
    await this.load?.stop();
    await this.product?.stop();
    await this.archive.close();
    await Promise.all(this.hosts.map((host) => host.powerCut()));
  }

  private get running(): RunningProduct {
    if (this.product === undefined) throw new Error('The product was not started.');
    return this.product;
  }

  private async furnish(name: string, installed: readonly string[]): Promise<void> {
    const { hosts } = this;
    const [account, auditor] = [standAccount(`product-${name}`), standAccount(`auditor-${name}`)];
    await Promise.all(hosts.map((host) => this.archive.give(host, installed)));
    await preparePatroniHosts(hosts, account);
    await Promise.all(hosts.map((host) => host.inside(letIn(JUDGE, auditor.publicKey))));
    writeFileSync(this.judgeKey, auditor.privateKey, { mode: 0o600 });
    writeFileSync(this.knownHosts, hosts.map((host) => host.knownHosts()).join(''));
    await this.startProduct();
    await this.prepareDatabase();
    await this.register(account);
    this.load = startLoad({
      nodes: hosts.map((host) => ({ name: host.name, host: host.address, port: 5432 })),
      database: PATRONI_DATABASE,
      ...PATRONI_SECRETS.client,
      table: LOAD_TABLE,
      ledger: this.ledger,
      intervalMs: LOAD_INTERVAL_MS,
      timeoutMs: LOAD_TIMEOUT_MS,
    });
  }

  /** What the owner of a PostgreSQL cluster prepares for the probe, and a table for the client. */
  private async prepareDatabase(): Promise<void> {
    const { client } = PATRONI_SECRETS;
    await this.hosts[0]?.inside(`su postgres -c 'psql -qX -v ON_ERROR_STOP=1 ${PATRONI_DATABASE}' <<'SQL'
create role probe login password 'of-the-probe';
create schema understudy_probe authorization probe;
create table understudy_probe.heartbeat (probe text not null, sequence bigint not null,
  written_at timestamptz not null default clock_timestamp(), primary key (probe, sequence));
alter table understudy_probe.heartbeat owner to probe;
create schema load authorization ${client.user};
create table ${LOAD_TABLE} (n bigint primary key, at timestamptz not null);
alter table ${LOAD_TABLE} owner to ${client.user};
SQL`);
  }

  private async register(account: Account): Promise<void> {
    const { rest } = this;
    const definition = patroniDefinition(CLUSTER, this.hosts, account);
    const addresses = this.hosts.map(({ address }) => address);
    const secrets = {
      [`${CLUSTER}-driver`]: PATRONI_SECRETS.driver,
      [`${CLUSTER}-rest`]: PATRONI_SECRETS.restApi,
      [`${CLUSTER}-probe`]: { user: 'probe', password: 'of-the-probe' },
      key: { user: account.user, password: account.privateKey },
    };
    for (const [name, { user, password }] of Object.entries(secrets)) {
      const file = join(this.folder, `${name}.secret`);
      writeFileSync(file, password, { mode: 0o600 });
      await rest.put(`/v1/credentials/${name}`, { user, source: `file:${file}`, hosts: addresses });
    }
    const root = join(this.folder, 'probe');
    mkdirSync(root, { mode: 0o755 });
    chownSync(root, NOBODY, NOBODY);
    await rest.post('/v1/clusters', {
      ...definition,
      credentials: { ...definition.credentials, probe: `${CLUSTER}-probe` },
      hosts: [...definition.hosts, { slug: 'probe', access: { kind: 'local', root }, patching: {} }],
      probeHost: 'probe',
    });
  }
}

const PLAYBOOK = {
  name: 'rolling',
  version: 1,
  kind: 'patch',
  gates: [
    { gate: 'drift', maxAgeMs: 10 * MINUTE_MS },
    { gate: 'switchover-test', maxAgeMs: 60 * MINUTE_MS },
  ],
  phases: {
    switchoverTest: { enabled: true, andBack: true },
    failback: { enabled: false },
    soakMs: 1_000,
    interruptionBudgetMs: 20_000,
  },
  checks: [{ name: 'rows-can-be-counted', kind: 'sql', sql: 'select 1', expect: '1' }],
  pauseBefore: [],
  onFailure: 'rollback',
  maxUnavailable: 1,
  durations: {},
};

/** An account of its own that may log in with its key, and nothing else. */
function letIn(user: string, publicKey: string): string {
  return `useradd --create-home --shell /bin/sh ${user}
install -d -o ${user} -g ${user} -m 0700 /home/${user}/.ssh
echo '${publicKey}' > /home/${user}/.ssh/authorized_keys
chown ${user}:${user} /home/${user}/.ssh/authorized_keys; chmod 0600 /home/${user}/.ssh/authorized_keys`;
}
