-- Signed checkpoints: what the log was at some moments, signed with a key that is not in this database. Like events, rows are
-- only ever added, only by a function, and never change; unlike theirs, a change of these is found by the signature.

create table signed_checkpoint (
  -- From 1, gap-free.
  number bigint not null,
  -- Everything up to this position of the log is covered by this statement and those before it.
  position bigint not null,
  -- Exactly the bytes that were signed: JSON, UTF-8. Text, because it is verified as it stands.
  statement text collate "C" not null,
  -- Which key signed: SHA-256 of its public part.
  key_id text collate "C" not null,
  -- Ed25519, RFC 8032.
  signature bytea not null,
  constraint signed_checkpoint_pkey primary key (number),
  constraint signed_checkpoint_signature check (octet_length(signature) = 64)
);

create trigger signed_checkpoint_row_unchanging before update or delete on signed_checkpoint
  for each row execute function refuse_change();
create trigger signed_checkpoint_table_unchanging before update or delete or truncate on signed_checkpoint
  for each statement execute function refuse_change();
alter table signed_checkpoint enable always trigger signed_checkpoint_row_unchanging;
alter table signed_checkpoint enable always trigger signed_checkpoint_table_unchanging;

-- Adds the statement with this number; answers false, and adds nothing, where the number is not the next one (somebody else was
-- faster). The database cannot know whether the signature is good: whoever verifies does.
create function append_signed_checkpoint(number bigint, upto bigint, statement text, key_id text, signature bytea)
returns boolean
language plpgsql volatile security definer
set search_path from current
as $$
declare
  last record;
begin
  -- A statement of its own: the next one's snapshot is taken when the lock is ours.
  perform pg_advisory_xact_lock(1970238581, hashtext(current_schema()));
  select c.number, c.position into last from signed_checkpoint c order by c.number desc limit 1;
  if append_signed_checkpoint.number <> coalesce(last.number, 0) + 1 then
    return false;
  end if;
  if upto < coalesce(last.position, 0) or upto > (select coalesce(max(e.position), 0) from event e) then
    raise exception 'A checkpoint up to position % does not lie between the one before it (%) and the end of the log.',
      upto, coalesce(last.position, 0) using errcode = 'check_violation';
  end if;
  insert into signed_checkpoint values (append_signed_checkpoint.number, upto, append_signed_checkpoint.statement,
    append_signed_checkpoint.key_id, append_signed_checkpoint.signature);
  return true;
end
$$;

do $grants$
declare
  role text := 'understudy_' || current_schema();
begin
  execute format('revoke all on signed_checkpoint from %I', role);
  execute format('grant select on signed_checkpoint to %I', role);
  revoke all on function append_signed_checkpoint from public;
  execute format('grant execute on function append_signed_checkpoint to %I', role);
end
$grants$;
