import type { Fact, Severity } from './facts.js';

/**
 * The rule table: what a difference between a standby and the active node means. The first rule that fits decides.
 * Blocking is what stops a standby from starting, from being promoted, or from serving as the active node did.
 */

/** One difference between a standby and the active node. At least one side has the fact. */
export interface Difference {
  readonly area: string;
  readonly name: string;
  readonly standby: Fact | undefined;
  readonly active: Fact | undefined;
  /** How the other nodes of the cluster may be called in a replication setting. */
  readonly peers: readonly string[];
}

export interface Rule {
  readonly area: string;
  /** Undefined = every name of the area. */
  readonly names?: readonly string[];
  readonly when: (difference: Difference) => boolean;
  /** `expected` = no finding. */
  readonly severity: Severity | 'expected';
  readonly why: string;
  readonly todo: string;
}

const always = (): boolean => true;
const standbyLacks = ({ standby }: Difference): boolean => standby === undefined;
const activeLacks = ({ active }: Difference): boolean => active === undefined;

/** PostgreSQL refuses to start hot standby, or pauses replay, when one of these is lower than on the primary (manual, 26.4.3). */
const RECOVERY_PARAMETERS = [
  'max_connections',
  'max_wal_senders',
  'max_worker_processes',
  'max_prepared_transactions',
  'max_locks_per_transaction',
] as const;

/** What every node has for itself, and what PostgreSQL reports differently by role. */
const OWN_SETTINGS = [
  'port',
  'listen_addresses',
  'unix_socket_directories',
  'primary_conninfo',
  'primary_slot_name',
  'data_directory',
  'config_file',
  'hba_file',
  'ident_file',
  'external_pid_file',
  'log_directory',
  'log_filename',
  'cluster_name',
  'in_hot_standby',
  'transaction_read_only',
  'server_version',
  'server_version_num',
] as const;

/** The value that counts against a standby: the active node may still run with more than its file says, and writes its WAL so. */
function strictest(fact: Fact): number {
  const running = fact.runningValue === undefined ? Number.NEGATIVE_INFINITY : Number(fact.runningValue);
  return Math.max(Number(fact.value), running);
}

function lower({ standby, active }: Pick<Difference, 'standby' | 'active'>): boolean {
  return standby !== undefined && active !== undefined && Number(standby.value) < strictest(active);
}

/** The files agree, and yet the active node still runs with more than the standby would start with. */
export function belowRunning(pair: Pick<Difference, 'area' | 'name' | 'standby' | 'active'>): boolean {
  return pair.area === 'setting' && RECOVERY_PARAMETERS.some((name) => name === pair.name) && lower(pair);
}

const isOn = (fact: Fact | undefined): boolean =>
  fact !== undefined && ['on', 'true', 'yes', '1'].includes(fact.value.toLowerCase());

/** Names in `synchronous_standby_names`, without `FIRST n (...)`, `ANY n (...)` and quotes. */
export function synchronousNames(value: string): readonly string[] {
  const inner = /^\s*(?:(?:first|any)\s+)?(?:\d+\s*)?\((.*)\)\s*$/i.exec(value)?.[1] ?? value;
  return inner
    .split(',')
    .map((name) =>
      name
        .trim()
        .replace(/^"(.*)"$/, '$1')
        .toLowerCase(),
    )
    .filter((name) => name !== '');
}

/** Would every commit wait for a standby that cannot come, once this node serves? */
function latentSynchronous({ standby, active, peers }: Difference): boolean {
  const names = synchronousNames(standby?.value ?? '');
  if (names.length === 0) return false;
  if (synchronousNames(active?.value ?? '').length === 0) return true;
  const known = peers.map((peer) => peer.toLowerCase());
  return !names.some((name) => name === '*' || known.includes(name));
}

const VERSION_TODO = 'Bring both nodes to one version; a rollout of that item does it.';

export const rules: readonly Rule[] = [
  { area: 'setting', names: OWN_SETTINGS, when: always, severity: 'expected', why: '', todo: '' },
  {
    area: 'setting',
    names: RECOVERY_PARAMETERS,
    when: lower,
    severity: 'blocking',
    why: 'It is lower than on the active node: the standby does not start, or stops replaying, with "insufficient parameter settings".',
    todo: 'Raise it on the standby to at least the value of the active node, and restart the standby.',
  },
  {
    area: 'setting',
    names: RECOVERY_PARAMETERS,
    when: always,
    severity: 'info',
    why: 'It is higher than on the active node: the standby serves, and after a switchover the other node would be the lower one.',
    todo: 'Bring both nodes to one value; raise on standbys first, lower on the active node first.',
  },
  {
    area: 'setting',
    names: ['synchronous_standby_names'],
    when: latentSynchronous,
    severity: 'blocking',
    why: 'It sleeps while the node is a standby: once the node serves, every commit waits for a standby that does not come.',
    todo: 'Clear it on the standby, or name the node that will stand by after a switchover, and reload.',
  },
  {
    area: 'setting',
    names: ['default_transaction_read_only'],
    when: ({ standby }) => isOn(standby),
    severity: 'blocking',
    why: 'The node would be promoted and still refuse the writes of every client that does not ask for read-write.',
    todo: 'Set it to off on the standby and reload.',
  },
  {
    area: 'setting',
    names: ['archive_mode', 'archive_command', 'archive_library'],
    when: ({ standby, active }) => isArchiving(active) && !isArchiving(standby),
    severity: 'blocking',
    why: 'The active node archives its WAL and this node would not: from a switchover on there is no point-in-time recovery.',
    todo: 'Give the standby the archive settings of the active node.',
  },
  {
    area: 'setting',
    names: ['shared_preload_libraries', 'session_preload_libraries', 'local_preload_libraries'],
    when: ({ standby, active }) => listOf(active).some((library) => !listOf(standby).includes(library)),
    severity: 'blocking',
    why: 'A library that the active node loads is not loaded here: functions, types or background workers that the workload uses would be missing.',
    todo: 'Name the library on the standby too, and restart it.',
  },
  {
    area: 'setting',
    names: ['wal_level'],
    when: always,
    severity: 'blocking',
    why: 'Standbys and logical subscribers of the node that serves need the same WAL level; with a lower one they break off after a switchover.',
    todo: 'Bring both nodes to one wal_level and restart the one that changes.',
  },
  {
    area: 'setting',
    names: ['ssl'],
    when: ({ standby, active }) => isOn(active) && !isOn(standby),
    severity: 'blocking',
    why: 'Clients that demand TLS reach the active node and would be refused by this one.',
    todo: 'Switch ssl on for the standby and give it a certificate.',
  },
  {
    area: 'setting',
    when: always,
    severity: 'warning',
    why: 'After a switchover the workload would run with another setting than before.',
    todo: 'Decide which value is right and bring both nodes to it.',
  },
  { area: 'authentication', when: ({ name }) => isUnreadableRule(name), severity: 'expected', why: '', todo: '' },
  {
    area: 'authentication',
    when: standbyLacks,
    severity: 'blocking',
    why: 'The active node lets clients in by this rule and this node has no such rule: after a switchover they are refused.',
    todo: 'Add the rule to pg_hba.conf of the standby and reload.',
  },
  {
    area: 'authentication',
    when: activeLacks,
    severity: 'warning',
    why: 'This node lets in, or turns away, clients that the active node treats otherwise.',
    todo: 'Remove the rule, or add it to the active node, if it is meant.',
  },
  {
    area: 'authentication',
    when: always,
    severity: 'blocking',
    why: 'The rule for the same clients says something else here: after a switchover they may be refused.',
    todo: 'Make the rule equal on both nodes and reload.',
  },
  {
    area: 'extension',
    when: activeLacks,
    severity: 'info',
    why: 'This node has more installed than the active node; nothing that runs needs it.',
    todo: 'Install it on the other node too, or remove it.',
  },
  {
    area: 'extension',
    when: standbyLacks,
    severity: 'blocking',
    why: 'The database uses files of this extension and this node has not got them: its functions and indexes fail once this node serves.',
    todo: 'Install the same package on the standby.',
  },
  {
    area: 'extension',
    when: always,
    severity: 'warning',
    why: 'The nodes have different versions of this extension on disk.',
    todo: 'Bring both nodes to one version.',
  },
  {
    area: 'library',
    when: activeLacks,
    severity: 'info',
    why: 'This node has a library more than the active node; nothing that runs needs it.',
    todo: 'Install it on the other node too, or remove it.',
  },
  {
    area: 'library',
    when: standbyLacks,
    severity: 'blocking',
    why: 'The active node loads this library and this node has not got it.',
    todo: 'Install the same package on the standby.',
  },
  {
    area: 'library',
    when: always,
    severity: 'warning',
    why: 'The nodes have different versions of this library.',
    todo: 'Bring both nodes to one version.',
  },
  {
    area: 'collation',
    when: always,
    severity: 'blocking',
    why: 'Text sorts by another collation version here: indexes built on the active node answer wrongly on this one.',
    todo: 'Bring the C library or ICU of both nodes to one version; if it must change, rebuild the indexes afterwards.',
  },
  // What one node shows by itself is told by itself; a comparison would tell it twice.
  { area: 'archiving', when: ({ standby }) => isDeadArchiving(standby), severity: 'expected', why: '', todo: '' },
  {
    area: 'archiving',
    when: ({ standby, active }) => isArchiving(active) && !isArchiving(standby),
    severity: 'blocking',
    why: 'The active node archives its WAL and this node would not: from a switchover on there is no point-in-time recovery.',
    todo: 'Give the standby the archive settings of the active node.',
  },
  {
    area: 'archiving',
    when: always,
    severity: 'warning',
    why: 'The nodes archive differently.',
    todo: 'Bring the archive settings of both nodes together.',
  },
  {
    area: 'certificate',
    when: standbyLacks,
    severity: 'blocking',
    why: 'The active node shows clients a certificate and this node has none.',
    todo: 'Give the standby a certificate for the names that clients use.',
  },
  { area: 'certificate', when: always, severity: 'expected', why: '', todo: '' },
  { area: 'replication', when: always, severity: 'expected', why: '', todo: '' },
  { area: 'version', when: always, severity: 'warning', why: 'The nodes run different versions.', todo: VERSION_TODO },
  {
    area: 'package',
    when: always,
    severity: 'warning',
    why: 'The nodes have different versions of this package.',
    todo: VERSION_TODO,
  },
  {
    area: 'os',
    when: always,
    severity: 'warning',
    why: 'The hosts run different operating systems or releases of one.',
    todo: 'Bring both hosts to one release.',
  },
  {
    area: 'reboot',
    when: always,
    severity: 'info',
    why: 'One of the two hosts waits for a reboot.',
    todo: 'Reboot it in a rollout; a rollout does so where its patch source says that it is needed.',
  },
  {
    area: 'time',
    when: always,
    severity: 'warning',
    why: 'The clocks of the hosts are kept differently.',
    todo: 'Let both hosts follow the same time source and zone.',
  },
  {
    area: 'kernel',
    when: always,
    severity: 'warning',
    why: 'The nodes run different kernels.',
    todo: 'Patch and reboot the older one.',
  },
  {
    area: 'sysctl',
    when: always,
    severity: 'warning',
    why: 'The kernels are set differently: after a switchover the same load meets other limits.',
    todo: 'Bring both hosts to one value, now and in /etc/sysctl.d.',
  },
  {
    area: 'config',
    names: ['locales'],
    when: always,
    severity: 'warning',
    why: 'The hosts know different locales: a database whose locale is missing takes no connections.',
    todo: 'Compare "locale -a" on both hosts and generate what is missing.',
  },
  {
    area: 'config',
    when: always,
    severity: 'warning',
    why: 'These files of the two hosts say different things, comments left aside.',
    todo: 'Compare them and bring both to what is meant; what one host has for itself can be waived.',
  },
  {
    area: 'service',
    when: activeLacks,
    severity: 'info',
    why: 'It starts at boot here and not on the active host.',
    todo: 'Enable it on both hosts, or on none.',
  },
  {
    area: 'service',
    when: always,
    severity: 'warning',
    why: 'It starts at boot on the active host, or must not, and here it is otherwise: after a switchover and a reboot it would be missed.',
    todo: 'Enable, disable or mask it alike on both hosts.',
  },
  // Told by each host for itself.
  { area: 'disk', when: always, severity: 'expected', why: '', todo: '' },
  { area: 'failed', when: always, severity: 'expected', why: '', todo: '' },
  { area: 'automation', when: always, severity: 'expected', why: '', todo: '' },
];

/** A collector's sign that WAL is not archived: its value begins with `dead`, `failing` or `broken`. */
export function isDeadArchiving(fact: Fact | undefined): boolean {
  return fact !== undefined && /^(dead|failing|broken)\b/i.test(fact.value);
}

/** A collector's sign for a line of the client authentication file that the server cannot read. */
export function isUnreadableRule(name: string): boolean {
  return name.startsWith('unreadable line');
}

/** A difference in an area that the table does not know: said, and it stops nothing. */
const UNKNOWN_AREA: Rule = {
  area: '*',
  when: always,
  severity: 'warning',
  why: 'The nodes differ here, and no rule says what that means.',
  todo: 'Look at both values and decide which is right.',
};

function isArchiving(fact: Fact | undefined): boolean {
  return fact !== undefined && !['', 'off', '(disabled)', 'false'].includes(fact.value.toLowerCase());
}

function listOf(fact: Fact | undefined): readonly string[] {
  return (fact?.value ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

/** The rule that decides about a difference. */
export function ruleFor(difference: Difference): Rule {
  const fits = (rule: Rule): boolean =>
    rule.area === difference.area && (rule.names === undefined || rule.names.includes(difference.name)) && rule.when(difference);
  return rules.find(fits) ?? UNKNOWN_AREA;
}
