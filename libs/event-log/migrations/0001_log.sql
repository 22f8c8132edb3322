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
  constraint event_stream_version unique (stream, version)
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

-- An event's hash = SHA-256(hash of the event before it in its stream, SHA-256(content)); before the first stand 32 zero bytes.
create function chain_link(state bytea, previous bytea, content_hash bytea) returns bytea
language plpgsql immutable
as $$
begin
  return sha256(coalesce(state, previous) || content_hash);
end
$$;
create aggregate chain(previous bytea, content_hash bytea) (sfunc = chain_link, stype = bytea);

-- SHA-256 of an event's content. Fields are length-prefixed, so that no two different events have the same bytes.
-- Simple enough to be inlined where it is called: keep it so (no SET, no STRICT, not IMMUTABLE, because convert_to is STABLE).
create function content_hash(
  place bigint, stream text, version integer, type text, shape integer, at bytea, metadata bytea, body bytea
) returns bytea
language sql stable
as $$
  select sha256(
    int8send(place)
    || int4send(octet_length(stream)) || convert_to(stream, 'UTF8')
    || int4send(version)
    || int4send(octet_length(type)) || convert_to(type, 'UTF8')
    || int4send(shape)
    || int4send(octet_length(at)) || at
    || int4send(octet_length(metadata)) || metadata
    || int4send(octet_length(body)) || body)
$$;

-- Appends a batch of appends; each is all or nothing over its streams, and one that lost does not touch the others.
--
-- One element per stream of an append (a stream stands at most once in a batch; the unique constraint says so too):
--   streams, expected    the stream, and the version that it must have now
--   appends              which append it belongs to: a number, the same for all streams of one append
-- One element per event, in order:
--   entries              the index, from 1, of its stream in "streams"
--   types, shapes        event type and schema version
--   meta_at, meta_size, body_at, body_size    where metadata and body stand in "texts": first byte from 1, number of bytes
-- texts                  UTF-8 of all JSON texts; as bytes, because then nothing is escaped, parsed twice or changed on the way
--
-- Answers the position before the first new event, the time of all of them, their hashes one after the other (64 hex digits each,
-- in order, without those of losers), and the losers as [{"a": append, "s": stream, "x": expected, "version": actual}] or null.
-- Nothing that a caller sends decides on position, version, time or hash.
create function append(
  streams text[], expected integer[], appends integer[],
  entries integer[], types text[], shapes integer[],
  meta_at integer[], meta_size integer[], body_at integer[], body_size integer[], texts bytea,
  out base bigint, out at text, out hashes text, out lost json
)
language plpgsql volatile security definer
set search_path from current
-- Fixed plans by index: planned for a table whose statistics are still empty, they must not scan it when it has grown.
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $$
declare
  actual integer[];
  links bytea[];
  losers integer[] := '{}';
  at_bytes bytea;
begin
  -- Separate statements: each has its own snapshot, and the next one's is taken when the lock is ours.
  perform pg_advisory_xact_lock(1970238579, hashtext(current_schema()));

  select array_agg(coalesce(head.version, 0) order by h.n), array_agg(coalesce(head.hash, decode(repeat('00', 32), 'hex')) order by h.n)
  into actual, links
  from unnest(streams) with ordinality as h(stream, n)
  left join lateral (select e.version, e.hash from event e where e.stream = h.stream order by e.version desc limit 1) head on true;

  if actual is distinct from expected then
    select array_agg(h.n), json_agg(json_build_object('a', h.append, 's', h.stream, 'x', h.wanted, 'version', h.found) order by h.n)
    into losers, lost
    from unnest(streams, expected, appends, actual) with ordinality as h(stream, wanted, append, found, n)
    where h.append in (
      select o.append from unnest(expected, appends, actual) as o(wanted, append, found) where o.wanted is distinct from o.found);
    losers := coalesce(losers, '{}');
  end if;

  select coalesce((select e.position from event e order by e.position desc limit 1), 0) into base;
  at := to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');
  at_bytes := convert_to(at, 'UTF8');

  if lost is null and entries = array(select generate_series(1, cardinality(streams))) then
    -- Every stream gets one event: no numbering, no chain within the batch. Most batches are of this kind.
    with added as (
      insert into event (position, stream, version, type, schema_version, "time", metadata, body, hash)
      select
        base + r.n, streams[r.n], actual[r.n] + 1, r.type, r.shape, at,
        convert_from(substring(texts from r.m_at for r.m_size), 'UTF8')::json,
        convert_from(substring(texts from r.b_at for r.b_size), 'UTF8')::json,
        sha256(links[r.n] || content_hash(base + r.n, streams[r.n], actual[r.n] + 1, r.type, r.shape, at_bytes,
          substring(texts from r.m_at for r.m_size), substring(texts from r.b_at for r.b_size)))
      from unnest(types, shapes, meta_at, meta_size, body_at, body_size) with ordinality as r(type, shape, m_at, m_size, b_at, b_size, n)
      returning position, hash
    )
    select encode(string_agg(added.hash, ''::bytea order by added.position), 'hex') into hashes from added;
  else
    with added as (
      insert into event (position, stream, version, type, schema_version, "time", metadata, body, hash)
      select
        base + x.number, x.stream, x.version, x.type, x.shape, at, convert_from(x.metadata, 'UTF8')::json, convert_from(x.body, 'UTF8')::json,
        chain(x.link, content_hash(base + x.number, x.stream, x.version, x.type, x.shape, at_bytes, x.metadata, x.body))
          over (partition by x.entry order by x.n)
      from (
        select
          r.entry, r.n, r.type, r.shape, streams[r.entry] as stream, links[r.entry] as link,
          actual[r.entry] + (row_number() over (partition by r.entry order by r.n))::integer as version,
          row_number() over (order by r.entry, r.n) as number,
          substring(texts from r.m_at for r.m_size) as metadata,
          substring(texts from r.b_at for r.b_size) as body
        from unnest(entries, types, shapes, meta_at, meta_size, body_at, body_size) with ordinality
          as r(entry, type, shape, m_at, m_size, b_at, b_size, n)
        where r.entry <> all (losers)
      ) x
      returning position, hash
    )
    select encode(string_agg(added.hash, ''::bytea order by added.position), 'hex') into hashes from added;
  end if;
end
$$;

-- What the service's role may do with the log: read it, and append by the function. Nothing else.
do $grants$
declare
  role text := 'understudy_' || current_schema();
begin
  execute format('revoke all on event, log_identity, migration from %I', role);
  execute format('grant select on event, log_identity, migration to %I', role);
  execute format('revoke all on all functions in schema %I from public', current_schema());
  execute format('grant execute on function append to %I', role);
end
$grants$;
