import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClusterDefinition } from '@understudy/cluster';
import { openDriver, type PlatformDriver } from '@understudy/platforms';
import { eventually } from '@understudy/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RolloutStore, systemMetadata } from '../handle.js';
import { startOrchestrator, type StartedOrchestrator } from '../fixtures/contract.js';

/** A freeze is heard by every rollout within this, whatever else the reactor has to wait for. */
const FREEZE_HEARD_MS = 10_000;

/** Pairs in memory, on hosts that are folders of this machine. */
class Estate {
  private readonly folder = realpathSync(mkdtempSync(join(tmpdir(), 'understudy-reactor-')));
  /** Looks at the silent cluster. The first, with which its window is scheduled, is the only one that is answered. */
  looks = 0;

  pair(slug: string): ClusterDefinition {
    const nodes = ['a', 'b'].map((letter) => ({ slug: `${slug}-${letter}`, host: `${slug}-host-${letter}`, settings: {} }));
    const hosts = nodes.map(({ host }) => {
      const root = join(this.folder, host);
      mkdirSync(root, { recursive: true });
      return { slug: host, access: { kind: 'local', root } as const, patching: {} };
    });
    return {
      slug,
      platform: 'simulated',
      environment: 'practice',
      workloads: [slug],
      nodes,
      hosts,
      probeHost: hosts[0]?.slug ?? '',
      credentials: {},
      settings: { version: '17.9' },
    };
  }

  driver(): PlatformDriver {
    const simulated = openDriver('simulated', { allowSimulated: true });
    return {
      ...simulated,
      observe: async (target, deadlineMs) => {
        if (target.definition.slug === 'silent') this.looks += 1;
        const answers = target.definition.slug !== 'silent' || this.looks === 1;
        return answers ? simulated.observe(target, deadlineMs) : new Promise(() => undefined);
      },
    };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

describe('windows with clusters that never answer', () => {
  const estate = new Estate();
  let product: StartedOrchestrator;
  let patchSetId = '';

  beforeAll(async () => {
    const definitions = ['calm', 'silent', 'beside'].map((slug) => estate.pair(slug));
    product = await startOrchestrator({ definitions, platforms: { simulated: estate.driver() } });
    const items = [{ name: 'postgresql', targetVersion: '17.10', source: 'release' }];
    const { body } = await product.post('/v1/patch-sets', { items, publishedAt: '2026-01-01T00:00:00Z' }).expect(201);
    patchSetId = body.id as string;
    await product.put('/v1/playbooks/test', { name: 'test', version: 1, kind: 'switchover-test' }).expect(200);
  });

  afterAll(async () => {
    await product?.stop();
    await product?.store.close();
    estate.remove();
  });

  const schedule = async (clusters: readonly string[]): Promise<readonly string[]> => {
    const [opensAt, closesAt] = [1, 2].map((hours) => new Date(Date.now() + hours * 3_600_000).toISOString());
    const window = { clusters, patchSetId, playbook: { name: 'test' }, opensAt, closesAt };
    const { body } = await product.post('/v1/windows', window).expect(201);
    return (body as { rollouts: { id: string }[] }).rollouts.map(({ id }) => id);
  };
  const types = async (rolloutId: string): Promise<readonly string[]> =>
    (await product.store.log.readStream(`rollout/${rolloutId}`)).map(({ type }) => type);
  const allHave = (rollouts: readonly string[], type: string, limitMs?: number): Promise<void> =>
    eventually(
      `${type} of ${rollouts.length} rollouts`,
      async () => (await Promise.all(rollouts.map(types))).every((own) => own.includes(type)),
      limitMs,
    );

  /** As a process would that has read the window a moment before it was frozen. */
  const resumeBehindItsBack = async (rolloutId: string): Promise<void> => {
    const by = { subject: 'ada', role: 'operator' } as const;
    const command = { type: 'Resume', by, at: new Date().toISOString() } as const;
    await new RolloutStore(product.store).handle(rolloutId, command, systemMetadata());
  };

  it('plan all others, pass a freeze of the fleet on at once, and its end; and the process stops', async () => {
    const calm = await schedule(['calm']);
    await allHave(calm, 'RolloutPlanned');
    const [silent = '', beside = ''] = await schedule(['silent', 'beside']);
    await eventually('a look is not answered', () => estate.looks > 1);
    await allHave([beside], 'RolloutPlanned');
    expect(await types(silent)).toEqual([]);

    await product.post('/v1/fleet/freeze', { reason: 'smoke in the hall' }).expect(200);
    await allHave([...calm, beside], 'RolloutFrozen', FREEZE_HEARD_MS);
    const { body } = await product.post(`/v1/rollouts/${beside}/resume`).expect(409);
    expect(body).toMatchObject({ code: 'WINDOW_FROZEN' });
    await resumeBehindItsBack(beside);
    await allHave([beside], 'RolloutResumed');
    await eventually('it is frozen once more', async () => (await types(beside)).at(-1) === 'RolloutFrozen', FREEZE_HEARD_MS);
    await product.post('/v1/fleet/resume').expect(200);
    await allHave([...calm, beside], 'RolloutResumed', FREEZE_HEARD_MS);
    await eventually('none is frozen', async () => (await types(beside)).at(-1) === 'RolloutResumed', FREEZE_HEARD_MS);
  });
});
