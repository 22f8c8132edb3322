/** Whole windows over three hosts with PostgreSQL under Patroni: real packages by apt, real reboots, a client that writes. */
import { setTimeout as delay } from 'node:timers/promises';
import type { StandHost } from '@understudy/testing/stand';
import { afterAll, describe, expect, it } from 'vitest';
import type { WatchedRollout } from '../support/distributed/rollout.js';
import { waitFor } from '../support/distributed/waiting.js';
import { leaks, saidOf, SAY_SECRETS } from '../support/hosts/canary.js';
import { Room } from '../support/hosts/room.js';
import { type BootIds, bootIds, type Expected, judgedRow, keep, type Row, tableOf } from '../support/hosts/rows.js';

const WINDOW_LIMIT_MS = 900_000;
const platform = 'patroni';
/** `--short`: the scenarios that every change has to pass; the others are said to be not run. */
const isShort = process.env['UNDERSTUDY_HOSTS_SHORT'] === 'yes';
const IN_SHORT: ReadonlySet<string> = new Set(['happy', 'bad-package', 'power-off', 'link-cut']);
const rows: Row[] = [];
const notRun: string[] = [];
afterAll(() =>
  console.log(`\n${tableOf(rows)}\n${notRun.map((name) => `${platform} | ${name} | not run: --short`).join('\n')}\n`),
);

/** A package that wants a reboot, as firmware and kernels do. */
const FIRMWARE = [
  { name: 'firmware', version: '1.0' },
  { name: 'firmware', version: '2.0', postinst: 'touch /run/reboot-required; echo firmware >> /run/reboot-required.pkgs' },
];
const AGENT = [
  { name: 'agent', version: '1.0' },
  { name: 'agent', version: '2.0', postinst: `${SAY_SECRETS}\necho it cannot be configured >&2; exit 1` },
  { name: 'agent', version: '3.0', postinst: 'sleep 20' },
];
/** What goes wrong happens this long after the step was asked for. */
const INTO_STEP_MS = 8_000;
const CUT_MS = 60_000;
const UP_LIMIT_MS = 60_000;
/** Until a step of the plan is asked for. */
const STEP_LIMIT_MS = 400_000;

interface Finding {
  readonly node: string;
  readonly name: string;
  readonly severity: string;
}

interface Scenario {
  readonly room: Room;
  readonly before: BootIds;
  readonly ends: (rollout: WatchedRollout, expected: Omit<Expected, 'platform' | 'scenario'>) => Promise<void>;
}

/** A room of its own, and a row at the end. */
function scenario(name: string, play: (scenario: Scenario) => Promise<void>): void {
  const isLeftOut = isShort && !IN_SHORT.has(name);
  if (isLeftOut) notRun.push(name);
  it.skipIf(isLeftOut)(
    name,
    async () => {
      const room = await Room.open({ made: [...FIRMWARE, ...AGENT], installed: ['firmware=1.0', 'agent=1.0'] });
      try {
        const before = await bootIds(room);
        const ends: Scenario['ends'] = async (rollout, expected) => {
          await rollout.closed(WINDOW_LIMIT_MS);
          const row = await judgedRow(room, rollout, before, { platform, scenario: name, ...expected });
          rows.push(row);
          expect(row.differs).toEqual([]);
          expect(row.acknowledged).toBeGreaterThan(1_000);
        };
        await play({ room, before, ends });
      } catch (error) {
        keep(room, { platform, scenario: name }, { 'failed.txt': String(error) });
        throw error;
      } finally {
        await room.close();
      }
    },
    WINDOW_LIMIT_MS + 180_000,
  );
}

describe('a window over Patroni', () => {
  scenario('happy', async ({ room, ends }) => {
    const [database, library] = [room.newest('postgresql-15'), room.newest('openssl')];
    const rollout = await room.window([
      { name: 'postgresql-15', targetVersion: database },
      { name: 'openssl', targetVersion: library },
      { name: 'firmware', targetVersion: '2.0' },
    ]);
    await ends(rollout, {
      result: 'succeeded',
      versions: { 'postgresql-15': database, openssl: library, firmware: '2.0' },
      rebooted: room.hosts.map(({ name }) => name),
    });
  });

  scenario('bad-package', async ({ room, ends }) => {
    const [old] = room.archive.versions('openssl');
    const rollout = await room.window([
      { name: 'openssl', targetVersion: room.newest('openssl') },
      { name: 'agent', targetVersion: '2.0' },
    ]);
    await ends(rollout, { result: 'rolled-back', versions: { openssl: old ?? '', agent: '1.0' }, rebooted: [] });
    // What the package's script said was read, and without what nobody may read.
    expect(await saidOf(rollout)).toContain('auth_pass [redacted]');
    expect(await leaks(room, rollout)).toEqual([]);
  });

  scenario('power-off', async ({ room, ends }) => {
    const rollout = await room.window([
      { name: 'agent', targetVersion: '3.0' },
      { name: 'firmware', targetVersion: '2.0' },
    ]);
    const { name } = await partOf(rollout, 'patch', room);
    await delay(INTO_STEP_MS);
    await room.host(name).powerCut();
    await delay(INTO_STEP_MS);
    room.host(name).powerOn();
    await ends(rollout, {
      result: 'succeeded',
      versions: { agent: '3.0', firmware: '2.0' },
      rebooted: room.hosts.map((host) => host.name),
    });
  });

  scenario('link-cut', async ({ room, ends }) => {
    const rollout = await room.window([{ name: 'agent', targetVersion: '3.0' }]);
    const { name } = await partOf(rollout, 'patch', room);
    await delay(INTO_STEP_MS);
    await room.host(name).cutLink();
    await delay(CUT_MS);
    await room.host(name).mendLink();
    await ends(rollout, { result: 'succeeded', versions: { agent: '3.0' }, rebooted: [] });
  });
});

describe('a window over Patroni, before a release', () => {
  scenario('drift', async ({ room, ends }) => {
    const standby = room.hosts[1] as StandHost;
    const sql = (text: string): Promise<string> =>
      standby.inside(`su postgres -c "psql -qAtX -v ON_ERROR_STOP=1 -c \\"${text}\\" -c 'select pg_reload_conf()'"`);
    await sql("alter system set synchronous_standby_names = 'ghost'");
    const rollout = await room.window([{ name: 'firmware', targetVersion: '2.0' }]);
    await rollout.saw('the gate', STEP_LIMIT_MS, ({ body }) => body['gate'] === 'drift' && body['status'] === 'closed');
    const { items } = await room.rest.get<{ items: readonly Finding[] }>('/v1/findings?cluster=orders');
    expect(items).toContainEqual(
      expect.objectContaining({ node: standby.name, name: 'synchronous_standby_names', severity: 'blocking' }),
    );
    expect((await rollout.events()).some(({ type }) => type === 'StepRequested')).toBe(false);
    await sql('alter system reset synchronous_standby_names');
    await ends(rollout, { result: 'succeeded', versions: { firmware: '2.0' }, rebooted: room.hosts.map(({ name }) => name) });
  });

  scenario('orchestrator-killed', async ({ room, ends }) => {
    const rollout = await room.window([{ name: 'firmware', targetVersion: '2.0' }]);
    await partOf(rollout, 'reboot', room);
    await room.killProduct();
    await delay(INTO_STEP_MS);
    await room.startProduct();
    await ends(rollout, {
      result: 'succeeded',
      versions: { firmware: '2.0' },
      rebooted: room.hosts.map((host) => host.name),
    });
  });

  scenario('never-returns', async ({ room, ends }) => {
    const rollout = await room.window([{ name: 'firmware', targetVersion: '2.0' }]);
    const { name } = await partOf(rollout, 'patch', room);
    room.host(name).rebootsIn('never');
    const held = await rollout.saw('a hold', WINDOW_LIMIT_MS, ({ type }) => type === 'RolloutHeld');
    expect(JSON.stringify(held.body)).toContain(name);
    room.host(name).powerOn();
    await room.host(name).untilUp(UP_LIMIT_MS);
    await resume(room, rollout);
    await ends(rollout, {
      result: 'succeeded',
      versions: { firmware: '2.0' },
      rebooted: room.hosts.map((host) => host.name),
    });
  });

  scenario('platform-fails-over', async ({ room, ends }) => {
    const rollout = await room.window([{ name: 'agent', targetVersion: '3.0' }]);
    const { name } = await partOf(rollout, 'patch', room);
    await delay(INTO_STEP_MS);
    const active = room.hosts.find((host) => host.name !== name) as StandHost;
    await active.powerCut();
    await rollout.saw('a hold', WINDOW_LIMIT_MS, ({ type }) => type === 'RolloutHeld');
    active.powerOn();
    await active.untilUp(UP_LIMIT_MS);
    // The on-call engineer moves the workload back to where the plan has it, and lets it go on.
    await says(active, 'replica');
    await active.inside(`patronictl -c /etc/patroni/config.yml switchover --force --candidate ${active.name} orders`);
    await says(active, 'primary');
    for (const other of room.hosts.filter((host) => host !== active)) await says(other, 'replica');
    await resume(room, rollout);
    await ends(rollout, { result: 'succeeded', versions: { agent: '3.0' }, mayLose: true });
  });
});

/** Waits until the first step of that kind is asked for; answers its node. */
async function partOf(rollout: WatchedRollout, kind: string, room: Room): Promise<StandHost> {
  const { stepId, node } = await rollout.step(kind);
  await rollout.requested(stepId, STEP_LIMIT_MS);
  return room.host(node ?? '');
}

/** Waits until Patroni there says so of its member. */
async function says(host: StandHost, role: 'primary' | 'replica'): Promise<void> {
  await waitFor(`${host.name} to be ${role}`, UP_LIMIT_MS, () => host.inside(`curl -fsS http://127.0.0.1:8008/${role}`));
}

async function resume(room: Room, { rolloutId }: WatchedRollout): Promise<void> {
  await room.rest.post(`/v1/rollouts/${rolloutId}/resume`);
}
