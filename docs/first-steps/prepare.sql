-- What the owner of a PostgreSQL cluster prepares, once, on the active node and in the database that the driver connects to.
-- Choose passwords of your own, and lay each beside its user name where the server can read it (SECRETS in first-steps.sh).

-- Observes and performs. A superuser, because it checkpoints, promotes, reads WAL and changes the synchronous setting.
create role orders_driver login superuser password 'change-me-driver';

-- How a standby connects to the active; the old active becomes one.
create role orders_replication login replication password 'change-me-replication';

-- The probe's client: it may write into its own schema and nowhere else.
create role orders_probe login password 'change-me-probe';
create schema understudy_probe authorization orders_probe;
create table understudy_probe.heartbeat (
  probe text not null,
  sequence bigint not null,
  written_at timestamptz not null default clock_timestamp(),
  primary key (probe, sequence)
);
alter table understudy_probe.heartbeat owner to orders_probe;

-- Shows on the standby that the old active's last record has arrived.
create extension if not exists pg_walinspect;
