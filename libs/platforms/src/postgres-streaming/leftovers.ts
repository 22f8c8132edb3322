import type { ClusterSnapshot, Leftover } from '@understudy/cluster';
import type { NodeSettings } from './settings.js';
import type { Disk, PostgresNode, PostgresSnapshot } from './snapshot.js';
import { diskOf, unknownOnes, writableOnes } from './topology.js';

/** Where a node's files lie, for commands that a person pastes. */
export interface Place {
  /** Relative paths of the settings begin here. */
  readonly root: string;
  readonly settings: NodeSettings;
}

/**
 * What acts of ours have left on each node, with the commands that take it away: what the driver itself would do, in words
 * of PostgreSQL and the shell. Pure. Run as root on the node's host; PostgreSQL is run as the owner of its data folder.
 */
export function withLeftovers(summary: ClusterSnapshot, snapshot: PostgresSnapshot, places: readonly Place[]): ClusterSnapshot {
  return {
    ...summary,
    nodes: summary.nodes.map((seen) => {
      const node = snapshot.nodes.find((candidate) => candidate.node === seen.node);
      const place = places.find((candidate) => candidate.settings.node === seen.node);
      const disk = node && diskOf(node);
      return node && place && disk ? { ...seen, leftovers: leftoversOf(snapshot, node, disk, place) } : seen;
    }),
  };
}

function leftoversOf(snapshot: PostgresSnapshot, node: PostgresNode, disk: Disk, place: Place): readonly Leftover[] {
  const { root } = place;
  const cd = `cd ${quote(root)}`;
  const left = (kind: Leftover['kind'], about: string, what: string, commands: readonly string[]): Leftover => ({
    kind,
    node: about,
    what,
    host: node.host,
    commands: [cd, ...commands],
  });
  const start = disk.process ? [] : startCommands(snapshot, node, disk, place);
  const why = disk.process ? '' : startsAsStandby(snapshot, node, disk);
  return [
    ...(disk.drained
      ? [
          left('drained', node.node, `${node.node} is marked as drained and is not started at boot.${why}`, [
            ...start,
            ...releaseCommands(place),
          ]),
        ]
      : []),
    ...(disk.drained || disk.process
      ? []
      : [left('stopped', node.node, `PostgreSQL does not run on ${node.node}.${why}`, start)]),
    ...(disk.relaxedFor === null
      ? []
      : [
          left(
            'relaxed',
            disk.relaxedFor,
            `synchronous_standby_names on ${node.node} is relaxed for ${disk.relaxedFor}: commits do not wait for it.`,
            restoreCommands(place),
          ),
        ]),
    ...(disk.switchover === null
      ? []
      : [
          left('switchover', node.node, `A switchover has left its mark on ${node.node}.`, [
            `rm -f ${quote(`${place.settings.stateFolder}/switchover`)}`,
          ]),
        ]),
  ];
}

function besides(snapshot: PostgresSnapshot, node: PostgresNode): PostgresSnapshot {
  return { ...snapshot, nodes: snapshot.nodes.filter((other) => other !== node) };
}

/** Why a node whose files say primary is not started as one although no other is seen to serve; empty where that is not so. */
function startsAsStandby(snapshot: PostgresSnapshot, node: PostgresNode, disk: Disk): string {
  const unknown = unknownOnes(besides(snapshot, node));
  if (disk.standbySignal || unknown.length === 0 || writableOnes(besides(snapshot, node)).length > 0) return '';
  return ` Its files say primary, and ${unknown.join('; ')}. So it is started as a standby: promote it only when no other node takes writes.`;
}

/**
 * A node whose files say primary comes up as a standby while another one serves, or while one is not seen and may: never a
 * second writer by a pasted command.
 */
function startCommands(snapshot: PostgresSnapshot, node: PostgresNode, disk: Disk, { settings }: Place): readonly string[] {
  const rest = besides(snapshot, node);
  const others = writableOnes(rest).length > 0 || unknownOnes(rest).length > 0;
  const data = quote(settings.dataFolder);
  return [
    ...(!disk.standbySignal && others
      ? [`touch ${data}/standby.signal && chown --reference=${data} ${data}/standby.signal`]
      : []),
    `${asOwner(settings)} ${quote(`${settings.binFolder}/pg_ctl`)} -D ${data} -l ${quote(settings.logFile)} -w start`,
  ];
}

function releaseCommands({ settings }: Place): readonly string[] {
  const mark = quote(`${settings.stateFolder}/drained`);
  return [`if grep -q '^autostart$' ${mark}; then touch ${quote(settings.autostartFile)}; fi`, `rm -f ${mark}`];
}

/** The lines that were there before, in place of ours; the file is replaced by a rename, read at the reload. */
function restoreCommands({ settings }: Place): readonly string[] {
  const auto = quote(`${settings.dataFolder}/postgresql.auto.conf`);
  const relaxed = `${settings.stateFolder}/relaxed`;
  return [
    `{ grep -v '^[[:space:]]*synchronous_standby_names[[:space:]]*=' ${auto}; cat ${quote(`${relaxed}.lines`)}; } > ${auto}.new`,
    `chown --reference=${auto} ${auto}.new && chmod --reference=${auto} ${auto}.new && mv ${auto}.new ${auto}`,
    `${asOwner(settings)} ${quote(`${settings.binFolder}/pg_ctl`)} -D ${quote(settings.dataFolder)} reload`,
    `rm -f ${quote(relaxed)} ${quote(`${relaxed}.lines`)}`,
  ];
}

function asOwner({ dataFolder }: NodeSettings): string {
  return `runuser -u "$(stat -c %U ${quote(dataFolder)})" --`;
}

/** As one word of a shell. */
function quote(text: string): string {
  return /^[A-Za-z0-9_./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
