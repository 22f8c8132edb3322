-- The log of one service. Rows are only ever added, only by append(), and never change.

create table event (
  position bigint not null,
  stream text collate "C" not null,
  version integer not null,
  type text collate "C" not null,
  schema_version integer not null,
  -- RFC 3339 with milliseconds, UTC. Text, because it is hashed and given back as it stands.
  "time" text collate "C" not null,
  -- json and not jsonb: the stored text is what was sent, byte for byte, and what is hashed.
  metadata json not null,
  body json not null,
  hash bytea not null,
  constraint event_pkey primary key (position),
  constraint event_stream_version unique (stream, version),
  constraint event_from_one check (position > 0 and version > 0 and schema_version > 0)
);

-- Identity of this log. Renewed after a restore, so that consumers notice that history may have been cut.
create table log_identity (
  only_row boolean not null default true,
  id uuid not null default gen_random_uuid(),
  since timestamptz not null default now(),
  constraint log_identity_pkey primary key (only_row),
  constraint log_identity_single check (only_row)
);
insert into log_identity default values;

create function refuse_change() returns trigger
language plpgsql
set search_path from current
as $$
begin
  raise exception 'A recorded event never changes: % on %.% is refused.', tg_op, tg_table_schema, tg_table_name
    using errcode = 'restrict_violation', hint = 'Append a new event that says what is true now.';
end
$$;

create trigger event_row_unchanging before update or delete on event for each row execute function refuse_change();
create trigger event_table_unchanging before update or delete or truncate on event for each statement execute function refuse_change();
-- ALWAYS: also under session_replication_role = replica.
alter table event enable always trigger event_row_unchanging;
alter table event enable always trigger event_table_unchanging;

-- Each event's hash = SHA-256(hash of the event before in its stream, content); before the first stand 32 zero bytes.
create function chain_link(state bytea, previous bytea, content bytea) returns bytea
language plpgsql immutable
as $$
begin
  return sha256(coalesce(state, previous) || content);
end
$$;
create aggregate chain(previous bytea, content bytea) (sfunc = chain_link, stype = bytea);

-- Appends a batch of appends; each is all or nothing over its streams, and one that lost does not touch the others.
--
-- heads   [{"a": index of the append, "i": index of this stream append, "s": stream, "x": expected version}]
-- events  [{"i": index of the stream append, "t": type, "v": schema version, "m": metadata, "b": body}], in order;
--         a body that a nested JSON value cannot carry byte for byte comes as text in "c" instead of "b".
-- A stream stands at most once in a batch (the unique constraint says so too).
--
-- Answers the position before the first new event, the time of all of them, their hashes one after the other (64 hex digits each,
-- in the order of "events" without those of losers), and the losers as [{"a", "s", "x", "version"}] or null.
create function append(heads json, events json, out base bigint, out at text, out hashes text, out lost json)
language plpgsql volatile security definer
set search_path from current
-- Fixed plans by index: planned for a table whose statistics are still empty, they must not scan it when it has grown.
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $$
declare
  winners integer[];
  streams text[];
  versions integer[];
  links bytea[];
begin
  -- Separate statements: each has its own snapshot, and the next one's is taken when the lock is ours.
  perform pg_advisory_xact_lock(1970238579, hashtext(current_schema()));

  with head as materialized (
    select h.a, h.i, h.s, h.x, coalesce(last.version, 0) as version, coalesce(last.hash, decode(repeat('00', 32), 'hex')) as hash
    from json_to_recordset(heads) as h(a integer, i integer, s text, x integer)
    left join lateral (select e.version, e.hash from event e where e.stream = h.s order by e.version desc limit 1) last on true
  ), loser as materialized (
    select head.a from head where head.x is distinct from head.version
  )
  select
    array_agg(head.i) filter (where loser.a is null),
    array_agg(head.s) filter (where loser.a is null),
    array_agg(head.version) filter (where loser.a is null),
    array_agg(head.hash) filter (where loser.a is null),
    json_agg(json_build_object('a', head.a, 's', head.s, 'x', head.x, 'version', head.version)) filter (where loser.a is not null)
  into winners, streams, versions, links, lost
  from head left join (select distinct loser.a from loser) loser on loser.a = head.a;

  select coalesce((select e.position from event e order by e.position desc limit 1), 0) into base;
  at := to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');

  with item as materialized (
    select
      base + row_number() over (order by r.n) as position,
      w.stream,
      (w.version + row_number() over (partition by r.i order by r.n))::integer as version,
      r.t as type, r.v as schema_version, r.m as metadata, coalesce(r.c::json, r.b) as body,
      w.link, r.i
    from rows from (json_to_recordset(events) as (i integer, t text, v integer, m json, b json, c text)) with ordinality
      as r(i, t, v, m, b, c, n)
    join unnest(winners, streams, versions, links) as w(i, stream, version, link) on w.i = r.i
  ), linked as materialized (
    select
      item.*,
      -- Fields are length-prefixed, so that no two different events have the same bytes.
      chain(item.link,
        int8send(item.position)
        || int4send(octet_length(item.stream)) || convert_to(item.stream, 'UTF8')
        || int4send(item.version)
        || int4send(octet_length(item.type)) || convert_to(item.type, 'UTF8')
        || int4send(item.schema_version)
        || int4send(octet_length(at)) || convert_to(at, 'UTF8')
        || int4send(octet_length(item.metadata::text)) || convert_to(item.metadata::text, 'UTF8')
        || int4send(octet_length(item.body::text)) || convert_to(item.body::text, 'UTF8')
      ) over (partition by item.i order by item.version) as hash
    from item
  ), added as (
    insert into event (position, stream, version, type, schema_version, "time", metadata, body, hash)
    select l.position, l.stream, l.version, l.type, l.schema_version, at, l.metadata, l.body, l.hash
    from linked l order by l.position
  )
  select encode(string_agg(l.hash, ''::bytea order by l.position), 'hex') into hashes from linked l;
end
$$;

-- What the service's role may do with the log: read it, and append by the function. Nothing else.
do $grants$
declare
  role text := 'understudy_' || current_schema();
begin
  execute format('revoke all on event, log_identity, migration from %I', role);
  execute format('grant select on event, log_identity, migration to %I', role);
  revoke all on function append(json, json), chain_link(bytea, bytea, bytea), chain(bytea, bytea), refuse_change() from public;
  execute format('grant execute on function append(json, json) to %I', role);
end
$grants$;
