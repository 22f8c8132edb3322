import type { Login, PracticeCluster, PracticeNode } from './model.js';
import { withClient } from './server.js';

/** Settings that are the same on every node. Small, because the demo shares a laptop; durable, because it counts lost writes. */
export const sharedSettings = `# Practice cluster. What differs between nodes is in node.conf.
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 60
shared_buffers = 32MB
wal_level = replica
max_wal_senders = 10
max_replication_slots = 10
max_slot_wal_keep_size = 512MB
hot_standby = on
wal_receiver_status_interval = 1s
wal_retrieve_retry_interval = 200ms
restart_after_crash = off
archive_mode = on
archive_command = 'test -f "../archive/%f" || cp "%p" "../archive/%f"'
ssl = on
log_line_prefix = '%m [%p] %u@%d '
timezone = 'UTC'
log_timezone = 'UTC'
include 'node.conf'
`;

/** What differs between nodes. */
export function nodeSettings(node: PracticeNode): string {
  return `port = ${node.port}
cluster_name = '${node.slug}'
`;
}

/** Slot names allow lower case letters, digits and underscores only. */
export function slotName(node: string): string {
  return `understudy_${node.replaceAll('-', '_')}`;
}

/** A standby's own settings, as `postgresql.auto.conf`. The password stays in the passfile. */
export function standbySettings(standby: { from: PracticeNode; user: string; passfile: string; node: string }): string {
  const { from, user, passfile, node } = standby;
  return `primary_conninfo = 'host=${from.address} port=${from.port} user=${user} application_name=${node} passfile=''${passfile}'''
primary_slot_name = '${slotName(node)}'
recovery_target_timeline = 'latest'
`;
}

/** Client authentication: the same lines on every node; no trust anywhere. */
export function hostRules(cluster: PracticeCluster): string {
  const { driver, probe, replication, application } = cluster.secrets;
  const line = (database: string, login: Login): string => `host ${database} ${login.user} 127.0.0.1/32 scram-sha-256\n`;
  return [
    line('all', driver),
    line('replication', replication),
    line(cluster.database, application),
    line(cluster.database, probe),
  ].join('');
}

/** Roles, the database, the probe's own schema, the extension that the switchover reads WAL with, one slot per standby. */
export async function prepareDatabase(
  cluster: PracticeCluster,
  node: PracticeNode,
  standbys: readonly PracticeNode[],
): Promise<void> {
  const { driver, probe, replication, application } = cluster.secrets;
  await withClient(node, driver, 'postgres', async (client) => {
    await client.query(`create role ${application.user} login password '${application.password}'`);
    await client.query(`create role ${probe.user} login password '${probe.password}'`);
    await client.query(`create role ${replication.user} login replication password '${replication.password}'`);
    await client.query(`create database ${cluster.database} owner ${application.user}`);
    for (const standby of standbys) {
      await client.query('select pg_create_physical_replication_slot($1, true)', [slotName(standby.slug)]);
    }
  });
  await withClient(node, driver, cluster.database, async (client) => {
    await client.query('create extension pg_walinspect');
    await client.query(`create schema understudy_probe authorization ${probe.user}`);
    await client.query(`set role ${probe.user}`);
    await client.query(`create table ${cluster.probeTable} (
      probe text not null, sequence bigint not null, written_at timestamptz not null default clock_timestamp(),
      primary key (probe, sequence))`);
  });
}
