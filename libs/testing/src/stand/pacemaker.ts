import { setTimeout as delay } from 'node:timers/promises';
import type { ClusterDefinition } from '@understudy/cluster';
import { prepareScript } from '@understudy/hosts';
import { type Account, ACCOUNT_ROOT, standAddress, standHosts } from './stand.js';
import type { StandHost } from './stand-host.js';

const FORM_LIMIT_MS = 120_000;
const LOOK_MS = 500;
const NETWORK = '10.77.0.0/24';
const UNITS = ['pacemaker.service', 'corosync.service'];
const BIN = '/usr/lib/postgresql/15/bin';
const DATA = '/var/lib/postgresql/15/main';
/** What differs from node to node, beside the data, which is copied. */
const OWN_SETTINGS = '/var/lib/postgresql/15/own.conf';

/** The promotable clone that is protected: PostgreSQL, by the resource agent pgsqlms. */
export const PACEMAKER_RESOURCE = 'orders-db';
const PRIMITIVE = 'orders-pg';
const ADDRESS = 'orders-ip';
export const PACEMAKER_DATABASE = 'orders';
/** Logins of the database, as its owner would make them. The driver needs none: it speaks to Pacemaker alone. */
export const PACEMAKER_SECRETS = { client: { user: 'client', password: 'of-the-client' } } as const;
const REPLICATOR = { user: 'replicator', password: 'of-the-replicator' };

/**
 * PostgreSQL under Pacemaker on hosts of their own, with an address that follows the primary; formed and healthy, the first one is
 * active at the beginning. There is nothing on the stand that could cut a host's power, so fencing is off.
 */
export async function pacemakerHosts(names: readonly string[]): Promise<readonly StandHost[]> {
  const hosts = await standHosts(names, 'pacemaker');
  const service = standAddress(`service-of-${names[0] ?? ''}`);
  const [first, ...others] = hosts as [StandHost, ...StandHost[]];
  await Promise.all(hosts.map((host) => host.inside(stack(host, hosts, service))));
  await first.inside(database(hosts));
  await Promise.all(others.map((host) => host.inside(copy(first))));
  await first.inside(asPostgres(`${BIN}/pg_ctl -D ${DATA} -w -m fast stop`));
  await Promise.all(hosts.map((host) => host.inside('systemctl start pacemaker')));
  await until(first, `crm_mon -1 | grep -q 'Online: .*${hosts.map(({ name }) => name).join('.*')}'`);
  await first.inside(resources(service));
  await until(first, `crm_mon -1 -r | grep -A3 'Clone Set: ${PACEMAKER_RESOURCE}' | grep -q 'Promoted: .* ${first.name} '`);
  await until(
    first,
    `test "$(${psql("select count(*) from pg_stat_replication where state = 'streaming'")})" = ${others.length}`,
  );
  await until(first, `test "$(crm_mon -1 -A | grep -c 'master-${PRIMITIVE}[[:space:]]*: [19]')" = ${hosts.length}`);
  return hosts;
}

/** As the administrator of such hosts would: the product's account with its key, and the helper with what it may be used for. */
export async function preparePacemakerHosts(hosts: readonly StandHost[], { user, publicKey }: Account): Promise<void> {
  const script = prepareScript({ user, publicKey, units: UNITS, resources: [PACEMAKER_RESOURCE] });
  await Promise.all(hosts.map((host) => host.inside(script)));
}

/** What is registered of them: one cluster, reached over SSH. */
export function pacemakerDefinition(slug: string, hosts: readonly StandHost[], { user }: Account): ClusterDefinition {
  return {
    slug,
    platform: 'pacemaker',
    environment: 'lab',
    workloads: [PACEMAKER_RESOURCE],
    nodes: hosts.map(({ name }) => ({ slug: name, host: name, settings: {} })),
    hosts: hosts.map(({ name, address }) => ({
      slug: name,
      access: { kind: 'ssh', address, user, credential: 'key', root: ACCOUNT_ROOT },
      patching: {},
    })),
    credentials: {},
    settings: { fencing: 'off', mayMove: ADDRESS },
  };
}

/** As its administrator does with a primary that has crashed: its agent never lets it follow with the data that it died with. */
export async function rebuildPacemakerHost(host: StandHost, from: StandHost): Promise<void> {
  await host.inside(`systemctl stop pacemaker; rm -rf ${DATA}`);
  await host.inside(copy(from));
  await host.inside('systemctl start pacemaker');
  await until(host, `crm_mon -1 | grep -q 'Online: .*${host.name}'`);
  await host.inside('crm_resource --cleanup >/dev/null 2>&1 || true');
}

function asPostgres(command: string): string {
  return `su postgres -s /bin/sh -c '${command}'`;
}

function psql(text: string): string {
  return `su postgres -s /bin/sh -c "psql -qXtA -c \\"${text}\\""`;
}

function stack({ name }: StandHost, hosts: readonly StandHost[], service: string): string {
  const members = hosts.map(
    (host, index) => `  node {\n    ring0_addr: ${host.address}\n    name: ${host.name}\n    nodeid: ${index + 1}\n  }`,
  );
  const master = `host=${service} port=5432 user=${REPLICATOR.user} password=${REPLICATOR.password}`;
  return `set -e
systemctl stop pacemaker corosync
rm -rf /var/lib/pacemaker/cib/* /var/lib/corosync/*
cat > /etc/corosync/corosync.conf <<'CONF'
totem {
  version: 2
  cluster_name: orders
  transport: knet
  crypto_cipher: none
  crypto_hash: none
}
nodelist {
${members.join('\n')}
}
quorum {
  provider: corosync_votequorum
}
logging {
  to_syslog: yes
}
CONF
install -d -o postgres -g postgres ${DATA.replace('/main', '')}
cat > ${OWN_SETTINGS} <<'CONF'
primary_conninfo = '${master} application_name=${name}'
CONF
chown postgres: ${OWN_SETTINGS}
systemctl disable --quiet postgresql || true
systemctl enable --quiet corosync pacemaker`;
}

/** The first one's data. A primary must never follow itself: neither by its own address nor by the one that follows it. */
function database(hosts: readonly StandHost[]): string {
  const settings = [
    "listen_addresses = '*'",
    'wal_keep_size = 128MB',
    'wal_log_hints = on',
    'hot_standby = on',
    'max_connections = 50',
    'shared_buffers = 32MB',
    `include = '${OWN_SETTINGS}'`,
  ];
  const rules = [
    'local all all peer',
    'host all all 127.0.0.1/32 scram-sha-256',
    `host replication ${REPLICATOR.user} ${NETWORK} scram-sha-256`,
    `host all all ${NETWORK} scram-sha-256`,
  ];
  return `set -e
${asPostgres(`${BIN}/initdb -D ${DATA} -E UTF8 -k >/dev/null`)}
cat >> ${DATA}/postgresql.conf <<'CONF'
${settings.join('\n')}
CONF
cat > ${DATA}/pg_hba.conf <<'CONF'
${rules.join('\n')}
CONF
${asPostgres(`${BIN}/pg_ctl -D ${DATA} -w -l ${DATA}/../log start >/dev/null`)}
su postgres -s /bin/sh -c 'psql -qX -v ON_ERROR_STOP=1' <<'SQL'
create role ${REPLICATOR.user} login replication password '${REPLICATOR.password}';
create role ${PACEMAKER_SECRETS.client.user} login password '${PACEMAKER_SECRETS.client.password}';
create database ${PACEMAKER_DATABASE} owner ${PACEMAKER_SECRETS.client.user};
SQL
echo ${hosts.length} >/dev/null`;
}

function copy(first: StandHost): string {
  const from = `host=${first.address} user=${REPLICATOR.user} password=${REPLICATOR.password}`;
  return `set -e
${asPostgres(`${BIN}/pg_basebackup -D ${DATA} -X stream -c fast -d "${from}"`)}
${asPostgres(`touch ${DATA}/standby.signal`)}`;
}

/** Short intervals, so that tests need not wait for the usual quarter of a minute. */
function resources(service: string): string {
  const op = (name: string, more: string): string =>
    `<op id="${PRIMITIVE}-${name}-${more.replace(/[^a-z0-9]+/gi, '-')}" name="${name}" ${more}/>`;
  const nv = (id: string, pairs: Readonly<Record<string, string>>): string =>
    Object.entries(pairs)
      .map(([name, value]) => `<nvpair id="${id}-${name}" name="${name}" value="${value}"/>`)
      .join('');
  const clone = `<clone id="${PACEMAKER_RESOURCE}"><meta_attributes id="${PACEMAKER_RESOURCE}-meta">${nv(PACEMAKER_RESOURCE, { promotable: 'true', notify: 'true' })}</meta_attributes>
<primitive id="${PRIMITIVE}" class="ocf" provider="heartbeat" type="pgsqlms">
<instance_attributes id="${PRIMITIVE}-attributes">${nv(PRIMITIVE, { bindir: BIN, pgdata: DATA, pghost: '/var/run/postgresql' })}</instance_attributes>
<operations>${op('start', 'interval="0" timeout="60s"')}${op('stop', 'interval="0" timeout="60s"')}${op('promote', 'interval="0" timeout="30s"')}${op('demote', 'interval="0" timeout="120s"')}${op('monitor', 'interval="3s" timeout="10s" role="Promoted"')}${op('monitor', 'interval="4s" timeout="10s" role="Unpromoted"')}${op('notify', 'interval="0" timeout="60s"')}</operations>
</primitive></clone>`;
  const address = `<primitive id="${ADDRESS}" class="ocf" provider="heartbeat" type="IPaddr2">
<instance_attributes id="${ADDRESS}-attributes">${nv(ADDRESS, { ip: service, cidr_netmask: '24' })}</instance_attributes>
<operations><op id="${ADDRESS}-monitor" name="monitor" interval="10s"/></operations></primitive>`;
  const together = `<rsc_colocation id="ip-with-primary" rsc="${ADDRESS}" with-rsc="${PACEMAKER_RESOURCE}" with-rsc-role="Promoted" score="INFINITY"/>`;
  const before = `<rsc_order id="primary-then-ip" first="${PACEMAKER_RESOURCE}" first-action="promote" then="${ADDRESS}" then-action="start" symmetrical="false"/>`;
  const after = `<rsc_order id="demote-then-no-ip" first="${PACEMAKER_RESOURCE}" first-action="demote" then="${ADDRESS}" then-action="stop" symmetrical="false"/>`;
  return `set -e
crm_attribute --type crm_config --name stonith-enabled --update false
crm_attribute --type rsc_defaults --name resource-stickiness --update 10
crm_attribute --type rsc_defaults --name migration-threshold --update 5
cibadmin --create --scope resources --xml-pipe <<'XML'
${clone}
XML
cibadmin --create --scope resources --xml-pipe <<'XML'
${address}
XML
for each in '${together}' '${before}' '${after}'; do cibadmin --create --scope constraints --xml-text "$each"; done`;
}

/** @throws with what the cluster says. */
async function until(host: StandHost, command: string): Promise<void> {
  const endsAt = performance.now() + FORM_LIMIT_MS;
  for (;;) {
    const answer = await host.inside(`${command} >/dev/null 2>&1 && echo yes || true`, 20_000);
    if (answer.trim() === 'yes') return;
    if (performance.now() > endsAt)
      throw new Error(
        `${host.name}: ${command} did not succeed.\n${await host.inside('crm_mon -1 -A -r -f 2>&1; journalctl -b --no-pager -o cat -u pacemaker -u corosync | grep -iE "error|warn|crit|pgsqlms" | tail -30')}`,
      );
    await delay(LOOK_MS);
  }
}
