import { X509Certificate } from 'node:crypto';
import type { Host } from '@understudy/hosts';
import type { Fact } from '../platform.js';
import type { Connections, ServerPlace } from './connections.js';
import { parseConninfo, publicConninfo } from './conninfo.js';
import { deadProgram, FACTS, type CollectedRow, type SettingRow } from './facts-query.js';
import { normaliseSetting } from './units.js';

export type Hash = (value: string) => string;

/** Text settings that hold no secret and are shown as they are; any other text setting leaves only as a keyed hash. */
const PUBLIC_TEXT = new Set(
  `archive_library bgwriter_lru_multiplier cluster_name config_file data_directory datestyle default_table_access_method
  default_tablespace default_text_search_config dynamic_library_path event_source external_pid_file hba_file ident_file
  jit_provider lc_messages lc_monetary lc_numeric lc_time listen_addresses local_preload_libraries log_destination log_directory
  log_filename log_line_prefix log_timezone primary_slot_name recovery_target_timeline search_path server_encoding server_version
  session_preload_libraries shared_preload_libraries ssl_ca_file ssl_cert_file ssl_ciphers ssl_crl_file ssl_ecdh_curve
  ssl_groups ssl_tls13_ciphers synchronized_standby_slots synchronous_standby_names temp_tablespaces timezone
  timezone_abbreviations unix_socket_directories unix_socket_group wal_consistency_checking synchronous_commit`.split(/\s+/),
);

/** What belongs to one session or changes with the role: no drift of a node. */
const NOT_FACTS = new Set(
  `application_name client_encoding in_hot_standby is_superuser lock_timeout role session_authorization statement_timeout seed
  transaction_deferrable transaction_isolation transaction_read_only server_version server_version_num`.split(/\s+/),
);

/** A server and the host that it runs on: its files are looked at there. */
export interface ServerOnHost {
  readonly settings: ServerPlace;
  readonly host: Host;
}

/** `version` is the one that runs; it stands beside the facts, since what is installed is seen on the host. */
export type ServerFacts =
  | {
      readonly status: 'collected';
      readonly version: string;
      readonly facts: readonly Fact[];
      readonly missing: readonly string[];
    }
  | { readonly status: 'unknown'; readonly reason: string };

/** Everything that drift looks at on one server, redacted by allow-list. Never throws for what happens there. */
export async function collectServerFacts(
  connections: Connections,
  node: ServerOnHost,
  hash: Hash,
  deadlineMs: number,
): Promise<ServerFacts> {
  const answer = await connections.query<{ facts: CollectedRow }>(node.settings, FACTS, [], deadlineMs);
  if (answer.status !== 'rows') return { status: 'unknown', reason: answer.reason };
  const row = (answer.rows[0] as { facts: CollectedRow }).facts;
  const certificates = await certificateFacts(node.host, row, deadlineMs);
  const libraries = await libraryFacts(connections, node.settings, row, deadlineMs);
  const archiving = await archivingFact(node.host, row, deadlineMs);
  return {
    status: 'collected',
    version: row.version,
    facts: [
      ...settingFacts(row.settings, hash),
      ...authenticationFacts(row, hash),
      ...row.extensions.flatMap(({ name, available }) =>
        available === null ? [] : [{ area: 'extension', name, value: available }],
      ),
      ...libraries.facts,
      ...row.collations.map(({ name, version: found }) => ({ area: 'collation', name, value: found ?? 'none' })),
      archiving,
      ...certificates.facts,
      ...replicationFacts(row),
    ],
    missing: [...certificates.missing, ...libraries.missing],
  };
}

/** The fact of a version: what is installed, and what runs where that is another one. */
export function versionFact(name: string, installed: string | null, running: string): Fact {
  return { area: 'version', name, value: installed ?? running, ...differs(installed ?? running, running) };
}

/** Pure: every setting with the value that a reload or restart will bring, redacted by allow-list. */
export function settingFacts(rows: readonly SettingRow[], hash: Hash): readonly Fact[] {
  return rows
    .filter((row) => !NOT_FACTS.has(row.name.toLowerCase()))
    .map((row) => {
      const running = row.source === 'client' || row.source === 'session' ? null : row.setting;
      const value = expectedValue(row);
      return redact(row, value, running ?? value, hash);
    });
}

/** The last entry in the files counts; a value that came from a file and is in none any more falls back to the built-in one. */
function expectedValue(row: SettingRow): string {
  if (row.file !== null) return normaliseSetting(row.file, row.type, row.unit);
  if (row.source === 'configuration file' || row.source === 'client' || row.source === 'session') return row.boot ?? '';
  return row.setting;
}

function redact(row: SettingRow, value: string, running: string, hash: Hash): Fact {
  const base = { area: 'setting', name: row.name };
  if (row.name === 'primary_conninfo') {
    return { ...base, value: publicConninfo(value), ...differs(publicConninfo(value), publicConninfo(running)) };
  }
  // A command that archives nothing is no secret, and the difference that matters.
  const harmless = row.name === 'archive_command' && deadProgram(value) !== undefined;
  if (row.type !== 'string' || PUBLIC_TEXT.has(row.name.toLowerCase()) || value === '' || harmless)
    return { ...base, value, ...shownRunning(row, value, running, hash) };
  return { ...base, value: hash(value), ...differs(hash(value), hash(running)), secret: true };
}

function shownRunning(row: SettingRow, value: string, running: string, hash: Hash): { runningValue?: string } {
  const isPublic = row.type !== 'string' || PUBLIC_TEXT.has(row.name.toLowerCase()) || running === '';
  return value === running ? {} : { runningValue: isPublic ? running : hash(running) };
}

function differs(value: string, running: string): { runningValue?: string } {
  return value === running ? {} : { runningValue: running };
}

/** A rule's name is who it is for, its value the method. Options (LDAP passwords, RADIUS secrets) leave only as a keyed hash. */
function authenticationFacts(row: CollectedRow, hash: Hash): readonly Fact[] {
  return row.rules.flatMap((rule): readonly Fact[] => {
    if (rule.error !== null) return [{ area: 'authentication', name: `unreadable line ${rule.line}`, value: rule.error }];
    const name = [rule.type, rule.database.join(','), rule.user.join(','), [rule.address, rule.netmask].filter(Boolean).join('/')]
      .filter(Boolean)
      .join(' ');
    const options: readonly Fact[] =
      rule.options.length === 0
        ? []
        : [{ area: 'authentication', name: `${name} (options)`, value: hash(rule.options.join(' ')), secret: true }];
    return [{ area: 'authentication', name, value: rule.method }, ...options];
  });
}

/** Libraries that the database's functions come from, or that the settings preload: present only where they load. */
async function libraryFacts(
  connections: Connections,
  place: ServerPlace,
  row: CollectedRow,
  deadlineMs: number,
): Promise<{ facts: Fact[]; missing: string[] }> {
  const facts: Fact[] = [];
  const missing: string[] = [];
  for (const library of row.libraries) {
    const loaded = await connections.query(place, `load '${library.replaceAll("'", "''")}'`, [], deadlineMs);
    if (loaded.status === 'rows') facts.push({ area: 'library', name: library, value: 'loads' });
    // 58P01: the file is not there. Any other failure is told as not known.
    else if (loaded.status !== 'refused' || loaded.code !== '58P01') missing.push(`library ${library}: ${loaded.reason}`);
  }
  return { facts, missing };
}

async function archivingFact(host: Host, row: CollectedRow, deadlineMs: number): Promise<Fact> {
  const base = { area: 'archiving', name: 'WAL' };
  const { mode, command, library, failingSince } = row.archiving;
  if (mode === 'off') return { ...base, value: 'off' };
  if (library !== '') return { ...base, value: failingSince === null ? 'on' : `failing since ${failingSince}` };
  const dead = deadProgram(command);
  if (dead !== undefined) return { ...base, value: `dead: ${dead}` };
  const program = command.trim().split(/\s+/)[0] as string;
  const look = await host.access.run({
    argv: ['sh', '-c', 'command -v "$1"', 'look', program.replaceAll(/["']/g, '')],
    deadlineMs,
  });
  if (look.status === 'exited' && look.code !== 0)
    return { ...base, value: 'dead: the program of archive_command is not on this host' };
  return { ...base, value: failingSince === null ? 'on' : `failing since ${failingSince}` };
}

async function certificateFacts(
  host: Host,
  row: CollectedRow,
  deadlineMs: number,
): Promise<{ facts: Fact[]; missing: string[] }> {
  if (!row.certificate.ssl) return { facts: [], missing: [] };
  const { folder, file } = row.certificate;
  const path = file.startsWith('/') ? file : `${folder}/${file}`;
  const read = await host.access.run({ argv: ['cat', path], deadlineMs });
  if (read.status === 'unknown' || read.code !== 0) {
    return { facts: [], missing: [`certificate ${path}: ${read.status === 'unknown' ? read.reason : read.stderr.trim()}`] };
  }
  try {
    const certificate = new X509Certificate(read.stdout);
    return { facts: [{ area: 'certificate', name: 'server', value: new Date(certificate.validTo).toISOString() }], missing: [] };
  } catch (error) {
    return { facts: [], missing: [`certificate ${path}: ${(error as Error).message}`] };
  }
}

function replicationFacts(row: CollectedRow): readonly Fact[] {
  const upstream = parseConninfo(row.conninfo);
  const facts: Fact[] = [{ area: 'replication', name: 'recovery', value: row.inRecovery ? 'standby' : 'primary' }];
  if (upstream.size > 0) facts.push({ area: 'replication', name: 'upstream', value: publicConninfo(row.conninfo) });
  for (const slot of row.slots) facts.push({ area: 'replication', name: `slot ${slot.name}`, value: slot.kind });
  return facts;
}
