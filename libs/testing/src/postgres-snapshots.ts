/** Snapshots of PostgreSQL clusters, part by part, for specs of what is decided on them. */
import type {
  Answering,
  Disk,
  PostgresGoal,
  PostgresNode,
  PostgresSnapshot,
  Server,
  SwitchoverMark,
} from '@understudy/platforms';

export const stepKey = 'r/s';
export const disk: Disk = {
  seen: true,
  bootId: 'boot',
  process: true,
  autostart: true,
  drained: false,
  standbySignal: false,
  relaxedFor: null,
  switchover: null,
  control: { systemIdentifier: '7', state: 'in-production', checkpointLsn: 900, timeline: 1 },
  upstream: null,
  installedVersion: '17.9',
};
export const server: Answering = {
  says: 'answers',
  inRecovery: false,
  systemIdentifier: '7',
  timeline: 1,
  upForMs: 60_000,
  version: '17.9',
  clusterName: '',
  currentLsn: 1_000,
  receivedLsn: null,
  replayedLsn: null,
  replayPaused: false,
  applyDelayMs: 0,
  synchronousNames: '',
  upstream: null,
  receiver: null,
  senders: [],
  slots: [],
  replayedShutdowns: [],
  showsRecords: true,
};
export const silent: Server = { says: 'nothing', reason: 'connection refused' };
export const mark: SwitchoverMark = {
  key: stepKey,
  target: 'b',
  freshLsn: 1_000,
  round: 1,
  freshAgeMs: 100,
  stopAgeMs: null,
  stopMissed: false,
  returned: false,
};

export function sender(name: string, pid = 1): Answering['senders'][number] {
  return { pid, applicationName: name, state: 'streaming', confirmedLsn: 1_100, syncState: 'async', slot: `slot_${name}` };
}

export function slot(name: string, active = true): Answering['slots'][number] {
  return { name: `slot_${name}`, kind: 'physical', active, walStatus: 'reserved' };
}

export interface Change {
  readonly disk?: Partial<Disk>;
  readonly server?: Partial<Answering>;
  readonly says?: Server;
  readonly notPromotable?: string;
}

export function node(name: string, change: Change = {}): PostgresNode {
  return {
    node: name,
    host: `host-${name}`,
    address: name,
    port: 5432,
    slot: `slot_${name}`,
    disk: { ...disk, ...change.disk },
    server: change.says ?? { ...server, ...change.server },
    ...(change.notPromotable === undefined ? {} : { notPromotable: change.notPromotable }),
  };
}

export function primary(name: string, standbys: readonly string[], change: Change = {}): PostgresNode {
  const feeding = {
    senders: standbys.map((standby, index) => sender(standby, index + 1)),
    slots: standbys.map((standby) => slot(standby)),
  };
  return node(name, { ...change, server: { ...feeding, ...change.server } });
}

export function standby(name: string, of: string, change: Change = {}): PostgresNode {
  const upstream = { host: of, port: 5432, applicationName: name, slot: `slot_${name}`, link: '' };
  return node(name, {
    ...change,
    disk: { standbySignal: true, upstream, ...change.disk },
    server: {
      inRecovery: true,
      currentLsn: null,
      receivedLsn: 1_000,
      replayedLsn: 1_000,
      upstream,
      receiver: { status: 'streaming', host: of, port: 5432 },
      ...change.server,
    },
  });
}

/** Stopped: no process, no answer. */
export function down(of: PostgresNode, change: Partial<Disk> = {}): PostgresNode {
  return { ...of, disk: { ...(of.disk as Disk), process: false, ...change }, server: silent };
}

export function given(...nodes: readonly PostgresNode[]): PostgresSnapshot {
  return { cluster: 'c', database: 'app', observedAt: '2026-01-01T00:00:00Z', lagCeilingBytes: 500, nodes };
}

export function goal(verb: PostgresGoal['verb'], name: string, change: Partial<PostgresGoal> = {}): PostgresGoal {
  return { verb, node: name, key: stepKey, stopDeadlineMs: 2_000, canRepoint: true, ...change };
}
