-- What a service's processes keep beside the log. Work queues: the service's role may change these rows.

-- One row per process: who is alive. The term is 30 s; a row that is past its end belongs to nobody.
create table lease (
  incarnation uuid not null,
  -- Stable across restarts (pod name or data folder): the same instance, started again, ends its old lease at once.
  instance text not null,
  started_at timestamptz not null default clock_timestamp(),
  ends_at timestamptz not null,
  constraint lease_pkey primary key (incarnation)
);
create index lease_instance on lease (instance);

-- One row per duty (a relay's cursor, a projection, a reactor): who does it, and how far it got.
-- The checkpoint is the last position that is done; it moves only where incarnation is the mover's.
create table duty (
  name text not null,
  incarnation uuid not null,
  checkpoint bigint not null default 0,
  taken_at timestamptz not null default clock_timestamp(),
  constraint duty_pkey primary key (name)
);

-- Messages that a consumer could not take, with the reason, until a person has them delivered again or dropped.
create table dead_letter (
  consumer_group text not null,
  source text not null,
  id text not null,
  message json not null,
  reason text not null,
  attempts integer not null,
  died_at timestamptz not null default clock_timestamp(),
  constraint dead_letter_pkey primary key (consumer_group, source, id)
);

do $grants$
begin
  execute format('grant select, insert, update, delete on lease, duty, dead_letter to %I', 'understudy_' || current_schema());
end
$grants$;
