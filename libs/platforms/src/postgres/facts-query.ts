/** One setting: what runs, and what the files say (the last entry wins, as PostgreSQL reads them). */
export interface SettingRow {
  readonly name: string;
  readonly setting: string;
  readonly type: string;
  readonly unit: string | null;
  readonly source: string;
  readonly boot: string | null;
  readonly file: string | null;
}

export interface CollectedRow {
  readonly version: string;
  readonly inRecovery: boolean;
  readonly conninfo: string;
  readonly settings: readonly SettingRow[];
  readonly rules: readonly {
    readonly line: number;
    readonly type: string | null;
    readonly database: readonly string[];
    readonly user: readonly string[];
    readonly address: string | null;
    readonly netmask: string | null;
    readonly method: string;
    readonly options: readonly string[];
    readonly error: string | null;
  }[];
  /** `available`: the version on this node's disk that the database uses, null where there is none. */
  readonly extensions: readonly { readonly name: string; readonly available: string | null }[];
  readonly libraries: readonly string[];
  readonly collations: readonly { readonly name: string; readonly version: string | null }[];
  readonly archiving: {
    readonly mode: string;
    readonly command: string;
    readonly library: string;
    readonly failingSince: string | null;
  };
  readonly certificate: { readonly ssl: boolean; readonly folder: string; readonly file: string };
  readonly slots: readonly { readonly name: string; readonly kind: string }[];
}

/**
 * Everything that drift looks at, in one statement. `pg_file_settings` and `pg_hba_file_rules` read the files as they
 * lie there now, loaded or not. Needs a superuser, or `pg_monitor` with EXECUTE on the two file functions.
 */
export const FACTS = `
with last_entry as (select distinct on (lower(name)) lower(name) as name, setting from pg_file_settings where name is not null
    and coalesce(error, '') in ('', 'setting could not be applied') order by lower(name), seqno desc)
select json_build_object(
  'version', split_part(current_setting('server_version'), ' ', 1),
  'inRecovery', pg_is_in_recovery(),
  'conninfo', current_setting('primary_conninfo'),
  'settings', (select json_agg(json_build_object('name', s.name, 'setting', s.setting, 'type', s.vartype, 'unit', s.unit,
      'source', s.source, 'boot', s.boot_val, 'file', f.setting) order by s.name)
    from pg_settings s left join last_entry f on f.name = lower(s.name)),
  'rules', (select coalesce(json_agg(json_build_object('line', line_number, 'type', type, 'database', coalesce(database, '{}'),
      'user', coalesce(user_name, '{}'), 'address', address, 'netmask', netmask, 'method', auth_method,
      'options', coalesce(options, '{}'), 'error', error) order by line_number), '[]') from pg_hba_file_rules),
  'extensions', (select coalesce(json_agg(json_build_object('name', e.extname, 'available',
      (select v.version from pg_available_extension_versions v where v.name = e.extname and v.version = e.extversion))), '[]') from pg_extension e),
  'libraries', (select coalesce(json_agg(distinct library), '[]') from (
      select probin as library from pg_proc where probin is not null
      union select trim(regexp_split_to_table(setting, ',')) from pg_settings
        where name in ('shared_preload_libraries', 'session_preload_libraries') and setting <> '') as used
      where library not like '$libdir/plpgsql'),
  'collations', (select coalesce(json_agg(json_build_object('name', name, 'version', version)), '[]') from (
      select 'database ' || datname as name, pg_database_collation_actual_version(oid) as version from pg_database where datname = current_database()
      union select c.collname || ' (' || c.collprovider::text || ')', pg_collation_actual_version(c.oid) from pg_collation c
        where c.oid in (select unnest(indcollation) from pg_index) and c.collprovider in ('c', 'i') and c.collname not in ('C', 'POSIX')) as used),
  'archiving', (select json_build_object('mode', current_setting('archive_mode'),
      'command', coalesce((select setting from last_entry where name = 'archive_command'), nullif(current_setting('archive_command'), '(disabled)'), ''),
      'library', current_setting('archive_library'),
      'failingSince', case when last_failed_time > coalesce(last_archived_time, '-infinity') then last_failed_time end) from pg_stat_archiver),
  'certificate', json_build_object('ssl', current_setting('ssl')::bool, 'folder', current_setting('data_directory'), 'file', current_setting('ssl_cert_file')),
  'slots', (select coalesce(json_agg(json_build_object('name', slot_name, 'kind', slot_type)), '[]') from pg_replication_slots)
) as facts`;

/** A sentence when an archive command surely archives nothing; undefined when it may work. */
export function deadProgram(command: string): string | undefined {
  const trimmed = command.trim();
  if (trimmed === '' || trimmed === '(disabled)') return 'archive_mode is on and archive_command is empty';
  if (/^(\/usr)?(\/bin\/)?(false|exit\s+[1-9]\d*)$/.test(trimmed)) return `archive_command is "${trimmed}", which always fails`;
  if (/^((\/usr)?(\/bin\/)?true|:|exit(\s+0)?)$/.test(trimmed))
    return `archive_command is "${trimmed}", which throws every segment away`;
  return undefined;
}
