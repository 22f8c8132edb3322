-- Who may do what in Understudy's database. Run by an administrator, in that database, as often as one likes:
-- embedded start, tests and production run this very file. Passwords are set by whoever runs it and are never in here.
--
--   understudy_owner           owns the schemas and everything in them; used by migrations and by nothing else
--   understudy_<service>       logs in as that service; reads its schema, writes its projections and work queues,
--                              appends to its log by one function; creates nothing, sees no other service's schema
--
-- The log's tables take back (in their own migration) what the default privileges below give.

do $roles$
declare
  service text;
  role text;
  timeouts text[] := array[
    'statement_timeout=30s', 'lock_timeout=10s', 'idle_in_transaction_session_timeout=10s', 'transaction_timeout=60s'];
  timeout text;
begin
  if not exists (select from pg_roles where rolname = 'understudy_owner') then
    create role understudy_owner;
  end if;
  alter role understudy_owner login nosuperuser nocreatedb nocreaterole noreplication nobypassrls;
  if not (select rolsuper from pg_roles where rolname = current_user) then
    -- An administrator without superuser rights (a managed PostgreSQL) makes schemas for the owner as its member.
    execute format('grant understudy_owner to %I', current_user);
  end if;

  foreach service in array array['inventory', 'drift', 'orchestrator', 'notification'] loop
    role := 'understudy_' || service;
    if not exists (select from pg_roles where rolname = role) then
      execute format('create role %I', role);
    end if;
    execute format('alter role %I login nosuperuser nocreatedb nocreaterole noreplication nobypassrls', role);
    execute format('alter role %I set search_path = %I', role, service);
    foreach timeout in array timeouts loop
      -- transaction_timeout exists from PostgreSQL 17 on.
      if exists (select from pg_settings where name = split_part(timeout, '=', 1)) then
        execute format('alter role %I set %I = %L', role, split_part(timeout, '=', 1), split_part(timeout, '=', 2));
      end if;
    end loop;

    execute format('create schema if not exists %I authorization understudy_owner', service);
    execute format('revoke all on schema %I from public', service);
    execute format('grant usage on schema %I to %I', service, role);
    execute format(
      'alter default privileges for role understudy_owner in schema %I grant select, insert, update, delete on tables to %I',
      service, role);
    execute format(
      'alter default privileges for role understudy_owner in schema %I grant usage on sequences to %I', service, role);
  end loop;

  -- Functions are closed until a migration opens them; nobody makes temporary tables or writes to "public".
  alter default privileges for role understudy_owner revoke execute on functions from public;
  revoke all on schema public from public;
  execute format('revoke all on database %I from public', current_database());
  execute format(
    'grant connect on database %I to understudy_owner, understudy_inventory, understudy_drift, understudy_orchestrator, understudy_notification',
    current_database());
end
$roles$;
