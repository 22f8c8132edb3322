import { setTimeout as delay } from 'node:timers/promises';
import type { ClusterDefinition } from '@understudy/cluster';
import { prepareScript } from '@understudy/hosts';
import { type Account, ACCOUNT_ROOT, standHosts } from './stand.js';
import type { StandHost } from './stand-host.js';

const FORM_LIMIT_MS = 60_000;
const LOOK_MS = 500;
const NETWORK = '10.77.0.0/24';

/** Logins of the database, as its owner would make them. */
export const PATRONI_SECRETS = {
  driver: { user: 'understudy_driver', password: 'of-the-driver' },
  restApi: { user: 'operator', password: 'of-the-rest-api' },
  client: { user: 'client', password: 'of-the-client' },
} as const;

export const PATRONI_DATABASE = 'orders';
const UNIT = 'patroni.service';
const FILE = '/etc/patroni/config.yml';
export const PATRONI_DATA = '/var/lib/postgresql/15/patroni';

/** Quick loops, so that tests need not wait for Patroni's usual ten seconds; the relation of its times is the usual one. */
const DCS = { ttl: 20, loop_wait: 2, retry_timeout: 5, maximum_lag_on_failover: 1_048_576 };

/** PostgreSQL under Patroni on hosts of their own, each with an etcd member; formed and healthy, the first one leads at the beginning. */
export async function patroniHosts(names: readonly string[]): Promise<readonly StandHost[]> {
  const hosts = await standHosts(names, 'patroni');
  const [first, ...others] = hosts as [StandHost, ...StandHost[]];
  const members = hosts.map(({ name, address }) => `${name}=http://${address}:2380`).join(',');
  await Promise.all(
    hosts.map((host) =>
      host.inside(`${etcd(host, members)}
install -d -o postgres -g postgres -m 0750 /etc/patroni
cat > ${FILE} <<'YAML'
${JSON.stringify(configuration(host, hosts), null, 1)}
YAML
chown postgres:postgres ${FILE}; chmod 0640 ${FILE}
systemctl enable --quiet etcd patroni; systemctl start --no-block etcd`),
    ),
  );
  await first.inside('systemctl start patroni');
  await until(first, 'curl -fsS http://127.0.0.1:8008/primary');
  await Promise.all(others.map((host) => host.inside('systemctl start patroni')));
  await Promise.all(others.map((host) => until(host, 'curl -fsS http://127.0.0.1:8008/replica')));
  await first.inside(`su postgres -c 'psql -qX -v ON_ERROR_STOP=1' <<'SQL'
create role ${PATRONI_SECRETS.driver.user} login superuser password '${PATRONI_SECRETS.driver.password}';
create role ${PATRONI_SECRETS.client.user} login password '${PATRONI_SECRETS.client.password}';
create database ${PATRONI_DATABASE} owner ${PATRONI_SECRETS.client.user};
SQL`);
  return hosts;
}

/** As the administrator of such hosts would: the product's account with its key, and the helper with what it may be used for. */
export async function preparePatroniHosts(hosts: readonly StandHost[], { user, publicKey }: Account): Promise<void> {
  const script = prepareScript({ user, publicKey, units: [UNIT], patroni: { unit: UNIT, file: FILE } });
  await Promise.all(hosts.map((host) => host.inside(script)));
}

/** What is registered of them: one cluster with a database, reached over SSH. */
export function patroniDefinition(slug: string, hosts: readonly StandHost[], { user }: Account): ClusterDefinition {
  return {
    slug,
    platform: 'patroni',
    environment: 'lab',
    workloads: [PATRONI_DATABASE],
    nodes: hosts.map(({ name, address }) => ({
      slug: name,
      host: name,
      settings: { api: `http://${address}:8008`, etcd: `http://${address}:2379` },
    })),
    hosts: hosts.map(({ name, address }) => ({
      slug: name,
      access: { kind: 'ssh', address, user, credential: 'key', root: ACCOUNT_ROOT },
      patching: {},
    })),
    credentials: { driver: `${slug}-driver`, restApi: `${slug}-rest` },
    settings: { scope: 'orders', database: PATRONI_DATABASE },
  };
}

function etcd({ name, address }: StandHost, members: string): string {
  const settings = {
    ETCD_NAME: name,
    ETCD_DATA_DIR: '/var/lib/etcd/default',
    ETCD_LISTEN_PEER_URLS: `http://${address}:2380`,
    ETCD_LISTEN_CLIENT_URLS: `http://${address}:2379,http://127.0.0.1:2379`,
    ETCD_INITIAL_ADVERTISE_PEER_URLS: `http://${address}:2380`,
    ETCD_ADVERTISE_CLIENT_URLS: `http://${address}:2379`,
    ETCD_INITIAL_CLUSTER: members,
    ETCD_INITIAL_CLUSTER_STATE: 'new',
  };
  const lines = Object.entries(settings).map(([key, value]) => `${key}="${value}"`);
  return `cat > /etc/default/etcd <<'ENV'\n${lines.join('\n')}\nENV`;
}

/** JSON is YAML. */
function configuration({ name, address }: StandHost, hosts: readonly StandHost[]): object {
  const parameters = { wal_log_hints: 'on', max_connections: 50, shared_buffers: '32MB' };
  const pg_hba = [
    'local all all trust',
    'host all all 127.0.0.1/32 scram-sha-256',
    `host replication all ${NETWORK} scram-sha-256`,
    `host all all ${NETWORK} scram-sha-256`,
  ];
  return {
    scope: 'orders',
    name,
    restapi: {
      listen: `0.0.0.0:8008`,
      connect_address: `${address}:8008`,
      authentication: { username: PATRONI_SECRETS.restApi.user, password: PATRONI_SECRETS.restApi.password },
    },
    etcd3: { hosts: hosts.map((host) => `${host.address}:2379`) },
    bootstrap: {
      dcs: { ...DCS, postgresql: { use_pg_rewind: true, use_slots: true, parameters } },
      initdb: [{ encoding: 'UTF8' }, 'data-checksums'],
    },
    postgresql: {
      listen: `0.0.0.0:5432`,
      connect_address: `${address}:5432`,
      data_dir: PATRONI_DATA,
      bin_dir: '/usr/lib/postgresql/15/bin',
      pgpass: '/var/lib/postgresql/.pgpass_patroni',
      pg_hba,
      authentication: {
        superuser: { username: 'postgres', password: 'of-postgres' },
        replication: { username: 'replicator', password: 'of-the-replicator' },
        rewind: { username: 'rewinder', password: 'of-the-rewinder' },
      },
    },
  };
}

/** @throws with Patroni's own last words. */
async function until(host: StandHost, command: string): Promise<void> {
  const endsAt = performance.now() + FORM_LIMIT_MS;
  for (;;) {
    const answer = await host.inside(`${command} >/dev/null 2>&1 && echo yes || true`, 10_000);
    if (answer.trim() === 'yes') return;
    if (performance.now() > endsAt)
      throw new Error(
        `${host.name}: ${command} did not succeed.\n${await host.inside('journalctl -b --no-pager -o cat -u patroni | grep -Ev "bootstrap|creating|selecting|INFO" | tail -40')}`,
      );
    await delay(LOOK_MS);
  }
}
