/** What the hosts remember against what the log says: real journals on local hosts, a real log, and older copies of it. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  applyRoles,
  ensureCheckpointKey,
  renewLogId,
  type CheckpointOptions,
  type Store,
  type Checkpoints,
} from '@understudy/event-log';
import type { StepRequested, StepState } from '@understudy/orchestrator-domain';
import { eventually, testRuntime } from '@understudy/testing';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PerformRequest } from '../effects/perform.js';
import { Targets } from '../effects/targets.js';
import { RolloutStore, systemMetadata } from '../handle.js';
import { Authority, type GivenEpochs, foreignLog, lostEpoch, unknownAttempts } from './authority.js';
import type { DriveTools } from './drive.js';
import { admittedRollout, inDatabase, ROLLOUT, type AdmittedRollout } from './fixtures/admitted/contract.js';
import { Owner } from './owner.js';

let ground: AdmittedRollout;
let ends: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  ground = await admittedRollout();
  ends = [];
});

afterEach(async () => {
  for (const end of ends.reverse()) await end();
  await ground.remove();
});

const opened = (name: string, checkpoints?: CheckpointOptions): Promise<Store> => ground.opened(name, checkpoints);

/** What a backup would bring back: a copy of the database as it is now, the log's identity included. */
async function copyOf(name: string, copy: string): Promise<string> {
  const client = new pg.Client({ connectionString: inDatabase(ground.database.adminConnection, 'postgres') });
  await client.connect();
  await client.query(`create database ${copy} template ${name}`);
  await client.end();
  await applyRoles(inDatabase(ground.database.adminConnection, copy), {});
  return copy;
}

interface Running {
  readonly store: Store;
  /** Steps that were performed, in order. */
  readonly performed: StepRequested[];
  stop(): Promise<void>;
}

/** An orchestrator's owner on this log, whose every step is one journalled act on host-a and then never ends. */
async function run(name: string, checkpoints?: CheckpointOptions): Promise<Running> {
  const store = await opened(name, checkpoints);
  const rim = await testRuntime();
  const targets = new Targets({
    driver: () => {
      throw new Error('No driver is asked here.');
    },
    openHosts: () => ground.hosts,
    secret: () => ({ user: '', password: '' }),
    now: () => store.now(),
  });
  const performed: StepRequested[] = [];
  let release: () => void = () => undefined;
  const stopped = new Promise<void>((resolve) => (release = resolve));
  const performer = {
    perform: async ({ requested, fence }: PerformRequest) => {
      performed.push(requested);
      const argv = ['sh', '-c', `echo ${requested.key} >>runs`] as const;
      await ground.hosts['host-a']?.journal.act({ key: `${requested.key}/mark/1`, fence, argv, deadlineMs: 10_000 });
      await stopped;
      return { status: 'unknown', cause: 'frozen', reason: 'stopped' };
    },
  };
  const looker = { look: async () => stopped.then(() => ({ at: new Date().toISOString() })) };
  const drive = { looker, performer, hosts: targets, gateInputs: {}, planner: {}, newId: () => 'id' } as unknown as DriveTools;
  const owner = new Owner({
    store,
    rollouts: new RolloutStore(store),
    drive,
    unfinished: async () => [ROLLOUT],
    log: rim.runtime.log,
    metrics: rim.runtime.metrics,
  });
  await owner.start();
  return {
    store,
    performed,
    stop: async () => {
      const done = owner.stop();
      release();
      await done;
      await store.close();
      rim.remove();
    },
  };
}

const runs = (): readonly string[] => {
  const file = join(ground.machines[0]?.root ?? '', 'runs');
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
};

async function stateOf(store: Store) {
  return (await new RolloutStore(store).load(ROLLOUT)).state;
}

/** Waits for the hold and answers what was recorded. */
async function heldBecause(running: Running): Promise<string> {
  await eventually('it is held', async () => (await stateOf(running.store)).status === 'held', 30_000);
  const { held, deviations } = await stateOf(running.store);
  expect(deviations).toHaveLength(1);
  expect(held).toMatchObject({ reason: deviations[0] });
  return deviations[0] ?? '';
}

describe('a restored older database', () => {
  it('with the very same next position is noticed: the hosts have seen the epoch before this process gave it', async () => {
    const older = await copyOf(ground.database.name, `${ground.database.name}_older`);
    const reality = await run(ground.database.name);
    await eventually('a step is performed', () => runs().length === 1, 30_000);
    await reality.stop();

    const revived = await run(older);
    expect(await heldBecause(revived)).toMatch(
      /^This log is older than reality: host host-[ab] obeys epoch 3 of it.*has not been there yet/,
    );
    expect(revived.performed).toEqual([]);
    await revived.stop();
    expect(runs()).toHaveLength(1);
  }, 120_000);

  it('that ends before what the hosts obey is noticed, also by the next process, and nothing is executed', async () => {
    const older = await copyOf(ground.database.name, `${ground.database.name}_older`);
    for (let count = 1; count <= 3; count += 1) {
      const reality = await run(ground.database.name);
      await eventually(
        'it has got hold of the hosts',
        async () => {
          const { owner } = await stateOf(reality.store);
          const entry = await ground.hosts['host-b']?.journal.raise({ logId: reality.store.log.logId, epoch: 1 }, 10_000);
          return owner?.incarnation === reality.store.incarnation && entry?.status === 'fenced' && entry.seen.epoch > count + 1;
        },
        30_000,
      );
      await reality.stop();
    }
    const executed = runs();
    for (const attempt of [1, 2]) {
      const revived = await run(older);
      if (attempt === 1)
        expect(await heldBecause(revived)).toMatch(
          /older than reality: .* obeys epoch \d+ of it, and the log ends at position \d/,
        );
      else await eventually('it is held still', async () => (await stateOf(revived.store)).status === 'held', 30_000);
      expect(revived.performed).toEqual([]);
      await revived.stop();
    }
    expect(runs()).toEqual(executed);
  }, 180_000);

  it('is noticed without any host, where what was signed lies outside of it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'understudy-authority-'));
    ends.push(async () => rmSync(folder, { recursive: true }));
    const checkpoints = { keyFile: join(folder, 'key.pem'), folder, everyMs: 3_600_000 };
    ensureCheckpointKey(checkpoints.keyFile);
    const older = await copyOf(ground.database.name, `${ground.database.name}_older`);
    const reality = await run(ground.database.name, checkpoints);
    await eventually('a step is performed', () => runs().length === 1, 30_000);
    await reality.store.checkpoints?.sign();
    await reality.stop();
    for (const { root } of ground.machines) rmSync(join(root, '.understudy'), { recursive: true });

    const revived = await run(older, checkpoints);
    expect(await heldBecause(revived)).toMatch(/^This log is older than what was signed of it. Checkpoint \d+, exported to/);
    expect(revived.performed).toEqual([]);
    await revived.stop();
    expect(ground.machines.some(({ root }) => existsSync(join(root, '.understudy')))).toBe(false);
  }, 120_000);

  it('under a new identity is shut out by every host, until a person lets it in', async () => {
    const reality = await run(ground.database.name);
    await eventually('a step is performed', () => runs().length === 1, 30_000);
    await reality.stop();
    const before = reality.store.log.logId;
    const after = await renewLogId(ground.database.adminConnection, 'orchestrator');

    const restored = await run(ground.database.name);
    const why = await heldBecause(restored);
    expect(why).toContain(`obeys log ${before}, and this is log ${after}: the log was renewed by a restore`);
    expect(restored.performed).toEqual([]);
    expect(runs()).toHaveLength(1);

    for (const { root } of ground.machines) rmSync(join(root, '.understudy/v1/fence'), { recursive: true });
    const rollouts = new RolloutStore(restored.store);
    const by = { subject: 'ada', role: 'operator', authentication: 'spec', from: 'spec' };
    const resumed = await rollouts.handle(
      ROLLOUT,
      { type: 'Resume', by, at: new Date().toISOString() } as never,
      systemMetadata(),
    );
    expect(resumed.accepted).toBe(true);
    await eventually(
      'the hosts obey the new log',
      async () => {
        const answer = await ground.hosts['host-b']?.journal.raise({ logId: after, epoch: 1 }, 10_000);
        return answer?.status === 'fenced' && answer.seen.logId === after && answer.seen.epoch > 1;
      },
      30_000,
    );
    await restored.stop();
  }, 120_000);
});

describe('the hosts’ journals', () => {
  it('that hold an act of this rollout which the log never ordered stop it; those it ordered do not', async () => {
    const store = await opened(ground.database.name);
    const { log, incarnation } = store;
    const at = new Date().toISOString();
    const targets = new Targets({ openHosts: () => ground.hosts } as never);
    const rollouts = new RolloutStore(store);
    const live = await rollouts.load(ROLLOUT);
    await rollouts.give(live, { type: 'Adopt', instance: 'one', incarnation, replaces: null, at });
    let { epoch } = live;
    const fence = { logId: log.logId, epoch };
    const act = (key: string) => ground.hosts['host-b']?.journal.act({ key, fence, argv: ['true'], deadlineMs: 10_000 });
    const given: GivenEpochs = new Map();
    const establish = (by: string = incarnation, known = given) => {
      const { state } = live;
      const authority = new Authority({ hosts: targets, log, incarnation: by, given: known, checkpoints: undefined });
      return authority.establish({ rolloutId: ROLLOUT, cluster: ground.definition, epoch, epochs: [], state });
    };
    const ours = { by: 'us', everywhere: true, unreachable: [] };
    expect(await establish()).toEqual(ours);
    expect(await establish()).toEqual(ours);
    await rollouts.give(live, { type: 'RequestStep', stepId: '01-start-probe', incarnation, snapshot: null, at });
    await act(`${ROLLOUT}/01-start-probe/1/mark/1`);
    await act('r-10/09-foreign/1/mark/1');
    // A further rollout of this process finds the epoch of the one before, given by itself; another process finds it in the log.
    epoch += 1;
    expect(await establish()).toEqual(ours);
    epoch -= 1;
    expect(await establish('me', new Map())).toMatchObject({ by: 'nobody' });
    epoch += 1;
    await ground.hosts['host-b']?.journal.act({
      key: `${ROLLOUT}/05-drain-b/1/drain/1`,
      fence: { ...fence, epoch },
      argv: ['true'],
      deadlineMs: 10_000,
    });
    expect(await establish()).toMatchObject({
      by: 'nobody',
      doubt: { what: expect.stringContaining('the journal of host host-b holds r-1/05-drain-b/1/drain/1') },
    });
  }, 60_000);
});

describe('what was signed', () => {
  const asked = { seen: () => Promise.reject(new Error('a host was asked')) } as never;
  const establish = (status: Awaited<ReturnType<Checkpoints['checked']>>) => {
    const log = { logId: 'log-1' } as never;
    const checkpoints = { checked: async () => status };
    const authority = new Authority({ hosts: asked, log, incarnation: 'i', given: new Map(), checkpoints });
    return authority.establish({
      rolloutId: ROLLOUT,
      cluster: ground.definition,
      epoch: 1,
      epochs: [],
      state: { steps: [] },
    });
  };
  const failing = { state: 'failing', position: 0, problem: 'The file cannot be read.' } as const;

  it('and could not be compared with the log lets nobody act, before any host is asked', async () => {
    expect(await establish({ ...failing, compared: false })).toMatchObject({
      by: 'nobody',
      doubt: { what: 'Whether this log holds all that was signed of it could not be told. The file cannot be read.' },
    });
  });

  it('and was compared once stops nothing when signing fails later', async () => {
    await expect(establish({ ...failing, compared: true })).rejects.toThrow('a host was asked');
  });
});

describe('what a host says', () => {
  const seen = { logId: 'log-1', epoch: 7 };

  it('of another log is told from silence and from this one', () => {
    expect(foreignLog({ host: 'a', seen: null, answered: true }, 'log-1')).toBeNull();
    expect(foreignLog({ host: 'a', seen, answered: true }, 'log-1')).toBeNull();
    expect(foreignLog({ host: 'a', seen, answered: true }, 'log-2')?.what).toContain(
      'Host a obeys log log-1, and this is log log-2',
    );
  });

  it('of an epoch is held against the log', () => {
    const of = (found: Parameters<typeof lostEpoch>[2]) => lostEpoch('a', seen, found, 'me')?.what ?? null;
    expect(of({ event: 'ownership', incarnation: 'you' })).toBeNull();
    expect(of({ event: 'ownership', incarnation: null })).toBeNull();
    expect(of({ event: 'ownership', incarnation: 'me' })).toContain('has not been there yet');
    expect(of({ event: 'none', head: 5 })).toContain('the log ends at position 5');
    expect(of({ event: 'other', type: 'WindowOpened' })).toContain('no adoption but WindowOpened');
  });

  it('of acts is held against the attempts of the steps', () => {
    const steps = [{ step: { stepId: '01-x' }, attempt: 2 }] as unknown as readonly StepState[];
    const keys = ['r/01-x/1/a/1', 'r/01-x/2/a/1', 'r/01-x/3/a/1', 'r/02-y/1/a/1'];
    expect(unknownAttempts(keys, 'r', { steps })).toEqual(['r/01-x/3/a/1', 'r/02-y/1/a/1']);
  });
});
