import { setTimeout as delay } from 'node:timers/promises';
import type { ClusterDefinition } from '@understudy/cluster';
import { prepareScript } from '@understudy/hosts';
import { type Account, ACCOUNT_ROOT, standHosts } from './stand.js';
import type { StandHost } from './stand-host.js';

const FORM_LIMIT_MS = 60_000;
const LOOK_MS = 500;
const UNITS = ['redis-server.service', 'redis-sentinel.service'];
const FILE = '/etc/redis/redis.conf';

/** What the Sentinels call the master. */
export const REDIS_MASTER = 'orders';
/** Logins, as the cluster’s owner would make them: one password for Redis, and one for its Sentinels. */
export const REDIS_SECRETS = {
  driver: { user: 'default', password: 'of-redis' },
  sentinel: { user: 'default', password: 'of-sentinels' },
} as const;

/** Redis with a Sentinel on hosts of their own; formed and healthy, the first one is the master at the beginning. */
export async function redisHosts(names: readonly string[]): Promise<readonly StandHost[]> {
  const hosts = await standHosts(names, 'redis');
  const [first] = hosts as [StandHost, ...StandHost[]];
  await Promise.all(
    hosts.map((host) =>
      host.inside(`systemctl stop redis-sentinel redis-server
cat > ${FILE} <<'CONF'
${redis(host, first)}
CONF
cat > /etc/redis/sentinel.conf <<'CONF'
${sentinel(host, first)}
CONF
chown redis:redis /etc/redis/*.conf; chmod 0640 /etc/redis/*.conf
rm -rf /var/lib/redis/*
systemctl enable --quiet redis-server redis-sentinel; systemctl start redis-server redis-sentinel`),
    ),
  );
  await Promise.all(hosts.map((host) => until(host, hosts.length)));
  return hosts;
}

/** As the administrator of such hosts would: the product's account with its key, and the helper with what it may be used for. */
export async function prepareRedisHosts(hosts: readonly StandHost[], { user, publicKey }: Account): Promise<void> {
  const script = prepareScript({ user, publicKey, units: UNITS, redis: { file: FILE } });
  await Promise.all(hosts.map((host) => host.inside(script)));
}

/** What is registered of them: one cluster, reached over SSH. */
export function redisDefinition(slug: string, hosts: readonly StandHost[], { user }: Account): ClusterDefinition {
  return {
    slug,
    platform: 'redis-sentinel',
    environment: 'lab',
    workloads: [REDIS_MASTER],
    nodes: hosts.map(({ name, address }) => ({ slug: name, host: name, settings: { address } })),
    hosts: hosts.map(({ name, address }) => ({
      slug: name,
      access: { kind: 'ssh', address, user, credential: 'key', root: ACCOUNT_ROOT },
      patching: {},
    })),
    credentials: { driver: `${slug}-driver`, sentinel: `${slug}-sentinel` },
    settings: { master: REDIS_MASTER },
  };
}

function redis({ address }: StandHost, master: StandHost): string {
  const lines = [
    `bind ${address} 127.0.0.1`,
    'port 6379',
    'dir /var/lib/redis',
    'appendonly yes',
    'daemonize no',
    `requirepass ${REDIS_SECRETS.driver.password}`,
    `masterauth ${REDIS_SECRETS.driver.password}`,
    'repl-diskless-sync-delay 0',
    'pidfile /run/redis/redis-server.pid',
  ];
  return [...lines, ...(address === master.address ? [] : [`replicaof ${master.address} 6379`])].join('\n');
}

function sentinel({ address }: StandHost, master: StandHost): string {
  return [
    `bind ${address} 127.0.0.1`,
    'port 26379',
    'protected-mode no',
    'daemonize no',
    'pidfile /run/sentinel/redis-sentinel.pid',
    'dir /var/lib/redis',
    `requirepass ${REDIS_SECRETS.sentinel.password}`,
    `sentinel sentinel-pass ${REDIS_SECRETS.sentinel.password}`,
    `sentinel monitor ${REDIS_MASTER} ${master.address} 6379 2`,
    `sentinel auth-pass ${REDIS_MASTER} ${REDIS_SECRETS.driver.password}`,
    `sentinel down-after-milliseconds ${REDIS_MASTER} 5000`,
    `sentinel failover-timeout ${REDIS_MASTER} 20000`,
  ].join('\n');
}

/** Every replica and every Sentinel is known to this one's Sentinel. @throws with what it says. */
async function until(host: StandHost, members: number): Promise<void> {
  const ask = `REDISCLI_AUTH=${REDIS_SECRETS.sentinel.password} redis-cli -p 26379 info sentinel | tr -d '\\r' | grep ^master0`;
  const endsAt = performance.now() + FORM_LIMIT_MS;
  for (;;) {
    const said = await host.inside(`${ask} || true`, 10_000);
    if (said.includes(`status=ok`) && said.includes(`slaves=${members - 1},sentinels=${members}`)) return;
    if (performance.now() > endsAt)
      throw new Error(
        `${host.name}: the Sentinels did not form: ${said}\n${await host.inside('journalctl -b --no-pager -o cat -u redis-server -u redis-sentinel | tail -40; tail -20 /var/log/redis/* 2>/dev/null || true')}`,
      );
    await delay(LOOK_MS);
  }
}
