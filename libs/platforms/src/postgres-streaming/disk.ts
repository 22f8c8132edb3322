import { readFileSync } from 'node:fs';
import type { Host } from '@understudy/hosts';
import { parseConninfo, reduceConninfo, unquoteSetting } from '../postgres/conninfo.js';
import { parseLsn } from '../postgres/lsn.js';
import type { NodeSettings } from './settings.js';
import type { ControlState, Disk, SwitchoverMark, Unseen, Upstream } from './snapshot.js';

/** The program stays a shell file, so that it can be read, linted and run by hand; it lies beside the sources. */
const PROGRAM = readFileSync(new URL('../../src/postgres-streaming/node.sh', import.meta.url), 'utf8');

const KERNEL_BOOT_ID = '/proc/sys/kernel/random/boot_id';

/** The arguments that run one verb of the host program on a node. Nothing secret is ever among them. */
export function nodeCommand(
  settings: NodeSettings,
  host: Host,
  verb: string,
  ...extra: readonly string[]
): readonly [string, ...string[]] {
  const bootFile = host.definition.patching['reboot']?.['bootIdFile'] ?? KERNEL_BOOT_ID;
  const { dataFolder, binFolder, logFile, autostartFile, stateFolder, service } = settings;
  return [
    'sh',
    '-c',
    PROGRAM,
    'node.sh',
    verb,
    dataFolder,
    binFolder,
    logFile,
    autostartFile,
    bootFile,
    stateFolder,
    service,
    ...extra,
  ];
}

/** Looks at a node's disk and process table. Never throws for what is found there. */
export async function observeDisk(
  settings: NodeSettings,
  host: Host,
  deadlineMs: number,
  how: readonly 'quick'[] = [],
): Promise<Disk | Unseen> {
  const result = await host.access.run({ argv: nodeCommand(settings, host, 'observe', ...how), deadlineMs });
  if (result.status === 'unknown') return { seen: false, reason: result.reason };
  if (result.code !== 0) return { seen: false, reason: result.stderr.trim() || `the look ended with ${result.code}` };
  return readDisk(result.stdout);
}

/** Pure: the host program's answer as a value. What may hold a secret (`primary_conninfo`) is reduced here. */
export function readDisk(text: string): Disk {
  const fields = new Map<string, string>();
  for (const line of text.split('\n')) {
    const at = line.indexOf('=');
    if (at > 0) fields.set(line.slice(0, at).trim(), line.slice(at + 1).trim());
  }
  const yes = (name: string): boolean => fields.get(name) === 'yes';
  return {
    seen: true,
    bootId: fields.get('boot') || null,
    process: yes('process'),
    autostart: yes('autostart'),
    drained: yes('drained'),
    standbySignal: yes('standby'),
    relaxedFor: fields.get('relaxed') ?? null,
    switchover: readMark(fields),
    control: readControl(fields.get('control') ?? ''),
    upstream: readUpstream(fields),
    installedVersion: /(\d+(\.\d+)*)\s*$/.exec((fields.get('version') ?? '').replace(/\(.*?\)/g, ''))?.[1] ?? null,
  };
}

function readMark(fields: ReadonlyMap<string, string>): SwitchoverMark | null {
  const key = fields.get('mark.key');
  if (key === undefined) return null;
  const clock = Number(fields.get('clock'));
  const stopAt = fields.get('mark.stopAt');
  return {
    key,
    target: fields.get('mark.target') ?? '',
    freshLsn: parseLsn(fields.get('mark.fresh') ?? '0/0'),
    round: Number(fields.get('mark.round') ?? '1'),
    freshAgeMs: clock - Number(fields.get('mark.freshAt')),
    stopAgeMs: stopAt === undefined ? null : clock - Number(stopAt),
    stopMissed: fields.get('mark.stopMissed') === 'yes',
    // A program before this one wrote no such field, and promoted without a word here.
    promoting: fields.get('mark.promoting') !== 'no',
    returning: fields.get('mark.returning') === 'yes',
    returned: fields.get('mark.returned') === 'yes',
  };
}

/** `DBState`, catalog/pg_control.h, the same from PostgreSQL 12 to 18. */
const STATES: readonly ControlState[] = [
  'starting',
  'shut-down',
  'shut-down-in-recovery',
  'shutting-down',
  'in-crash-recovery',
  'in-archive-recovery',
  'in-production',
];

/**
 * The first fourteen 32-bit words of `global/pg_control` (`ControlFileData`): system identifier (0-1), state (4),
 * latest checkpoint's position (8-9), its timeline (12). Little-endian hosts; others are seen by an impossible state.
 */
function readControl(text: string): Disk['control'] {
  const words = text.split(/\s+/).map(Number);
  const state = STATES[words[4] ?? -1];
  if (words.length < 14 || state === undefined) return null;
  const wide = (low: number): bigint => BigInt(words[low] as number) + (BigInt(words[low + 1] as number) << 32n);
  return { systemIdentifier: wide(0).toString(), state, checkpointLsn: Number(wide(8)), timeline: words[12] as number };
}

function readUpstream(fields: ReadonlyMap<string, string>): Upstream | null {
  const conninfo = fields.get('primary_conninfo');
  if (conninfo === undefined) return null;
  const slot = fields.get('primary_slot_name');
  return { ...reduceConninfo(parseConninfo(unquoteSetting(conninfo))), slot: slot === undefined ? null : unquoteSetting(slot) };
}
