/** Who adopts what, when, and on what it knows: on a real log, with another process that steps in at the worst moment. */
import { StoreUnavailable, type Store } from '@understudy/event-log';
import type { RolloutCommand, StepRequested } from '@understudy/orchestrator-domain';
import { eventually, testRuntime } from '@understudy/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { PerformRequest } from '../effects/perform.js';
import { Targets } from '../effects/targets.js';
import { RolloutStore, systemMetadata, type LiveRollout } from '../handle.js';
import type { DriveTools } from './drive.js';
import { admittedRollout, ROLLOUT, type AdmittedRollout } from './fixtures/admitted/contract.js';
import { Owner } from './owner.js';

let ground: AdmittedRollout;
let stops: (() => Promise<void>)[];

beforeEach(async () => {
  ground = await admittedRollout();
  stops = [];
});

afterEach(async () => {
  vi.restoreAllMocks();
  for (const stop of stops) await stop();
  await ground.remove();
});

/** The rollouts as an owner knows them, with somebody who steps in. */
class SteppedInto extends RolloutStore {
  /** The commands that its process gave, by their types. */
  readonly given: string[] = [];
  afterLoad: () => Promise<void> = async () => undefined;
  afterGive: (command: RolloutCommand) => Promise<void> = async () => undefined;

  override async load(rolloutId: string): Promise<LiveRollout> {
    const live = await super.load(rolloutId);
    await this.afterLoad();
    return live;
  }

  override async give(live: LiveRollout, command: RolloutCommand, decisions?: number) {
    this.given.push(command.type);
    const given = await super.give(live, command, decisions);
    await this.afterGive(command);
    return given;
  }
}

interface Started {
  readonly rollouts: SteppedInto;
  readonly performed: StepRequested[];
  start(): Promise<void>;
}

async function process(store: Store): Promise<Started> {
  const rim = await testRuntime();
  const performed: StepRequested[] = [];
  let release: () => void = () => undefined;
  const stopped = new Promise<void>((resolve) => (release = resolve));
  const performer = {
    perform: async ({ requested }: PerformRequest) => {
      performed.push(requested);
      await stopped;
      return { status: 'unknown', cause: 'frozen', reason: 'stopped' };
    },
  };
  const looker = { look: async () => stopped.then(() => ({ at: new Date().toISOString() })) };
  const hosts = new Targets({ openHosts: () => ground.hosts } as never);
  const drive = { looker, performer, hosts, gateInputs: {}, planner: {}, newId: () => 'id' } as unknown as DriveTools;
  const rollouts = new SteppedInto(store);
  const { log, metrics } = rim.runtime;
  const owner = new Owner({ store, rollouts, drive, unfinished: async () => [ROLLOUT], log, metrics });
  stops.push(async () => {
    const done = owner.stop();
    release();
    await done;
    rim.remove();
  });
  return { rollouts, performed, start: () => owner.start() };
}

/** An owner that has died: its lease has ended. */
async function ownedByTheDead(): Promise<void> {
  const store = await ground.opened();
  const { instance, incarnation } = store;
  const rollouts = new RolloutStore(store);
  const at = new Date().toISOString();
  const live = await rollouts.load(ROLLOUT);
  await rollouts.give(live, { type: 'Adopt', instance, incarnation, replaces: null, at });
  await store.close();
}

const by = { subject: 'ada', role: 'operator', authentication: 'spec', from: 'spec' };
const freezeIt = async (store: Store): Promise<void> => {
  const command = { type: 'Freeze', by, reason: 'I drive.', at: new Date().toISOString() };
  const { accepted } = await new RolloutStore(store).handle(ROLLOUT, command as never, systemMetadata());
  expect(accepted).toBe(true);
};
const stateOf = async (store: Store) => (await new RolloutStore(store).load(ROLLOUT)).state;

describe('an adoption', () => {
  it('in place of another owner is decided once: what was appended since is looked at first', async () => {
    await ownedByTheDead();
    const store = await ground.opened();
    const { rollouts, performed, start } = await process(store);
    let stepped = 0;
    rollouts.afterLoad = async () => {
      stepped += 1;
      if (stepped === 1) await freezeIt(store);
    };
    await start();
    await eventually('it is adopted', async () => (await stateOf(store)).owner?.incarnation === store.incarnation, 30_000);
    expect(rollouts.given.filter((type) => type === 'Adopt')).toHaveLength(2);
    expect(performed).toEqual([]);
  });

  it('knows what a person did while the store kept it waiting', async () => {
    const store = await ground.opened();
    const { rollouts, performed, start } = await process(store);
    rollouts.afterGive = async (command) => {
      if (command.type !== 'Adopt') return;
      await freezeIt(store);
    };
    await start();
    await eventually('it is adopted', async () => (await stateOf(store)).status === 'frozen', 30_000);
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    expect(performed).toEqual([]);
  });

  it('whose answer was lost is gone on with once the log shows it', async () => {
    const store = await ground.opened();
    const { rollouts, performed, start } = await process(store);
    rollouts.afterGive = async (command) => {
      if (command.type === 'Adopt') throw new StoreUnavailable('STORE_UNAVAILABLE', 'The connection was cut.');
    };
    await start();
    await eventually('a step is performed', () => performed.length === 1, 30_000);
    expect(rollouts.given.filter((type) => type === 'Adopt')).toHaveLength(1);
  });

  it('rests on leases that were seen a moment ago, or they are looked at again', async () => {
    await ownedByTheDead();
    const store = await ground.opened();
    const leases = vi.spyOn(store, 'leases');
    const { rollouts, start } = await process(store);
    const clock = performance.now.bind(performance);
    rollouts.afterLoad = async () => {
      rollouts.afterLoad = async () => undefined;
      vi.spyOn(performance, 'now').mockImplementation(() => clock() + 6_000);
    };
    await start();
    await eventually('it is adopted', () => rollouts.given.includes('Adopt'), 30_000);
    expect(leases).toHaveBeenCalledTimes(2);
  });
});
