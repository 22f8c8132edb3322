import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '@understudy/testing';
import type { PatchItem } from '@understudy/cluster';
import type { Host } from '../host.js';
import type { JobDescription, PatchSource } from './source.js';

/** A host on which version `from` of the item is installed and `item.targetVersion` may be applied. */
export interface PatchSourceUnderTest {
  readonly source: PatchSource;
  readonly host: Host;
  readonly from: string;
  readonly item: PatchItem;
  /** An item of the same name whose version cannot be had here. */
  readonly unavailable: PatchItem;
  /** Everything on the host that patching changes, as text: equal before and after what must change nothing. */
  fingerprint(): string;
  remove(): Promise<void>;
}

const DEADLINE_MS = 20_000;
const fence = { logId: 'log-1', epoch: 1 };

/** What every patch source must do. */
export function patchSourceContract(name: string, open: () => Promise<PatchSourceUnderTest>): void {
  describe(`patch source contract: ${name}`, () => {
    let under: PatchSourceUnderTest;
    let jobs = 0;
    const runJob = async (description: JobDescription): Promise<number> => {
      jobs += 1;
      const jobId = `job-${jobs}`;
      expect(await under.host.jobs.start({ jobId, fence, limitMs: 60_000, ...description })).toEqual({ status: 'started' });
      let code = -1;
      await eventually('the job ends', async () => {
        const state = await under.host.jobs.state(jobId, DEADLINE_MS);
        if (state.status === 'exited') code = state.code;
        return state.status === 'exited';
      });
      return code;
    };
    const installed = async (): Promise<string | null> =>
      (await under.source.verify(under.host, under.item, DEADLINE_MS)).version.installed;
    beforeEach(async () => (under = await open()));
    afterEach(() => under.remove());

    it('has a name, and says what it does with the service', () => {
      expect(under.source.name).toBe(under.item.source);
      expect(['stopped', 'restarts', 'untouched']).toContain(under.source.declares.service);
      expect(typeof under.source.declares.mayNeedReboot).toBe('boolean');
    });

    it('checks that the item may be applied and that the way back works, and changes nothing', async () => {
      const before = under.fingerprint();
      const check = await under.source.check(under.host, under.item, DEADLINE_MS);
      expect(check.installedVersion).toBe(under.from);
      expect(check.checks.length).toBeGreaterThan(0);
      expect(check.checks.filter((result) => result.passed !== true)).toEqual([]);
      expect(check.wayBack.proven, check.wayBack.detail).toBe(true);
      expect(under.fingerprint()).toBe(before);
    });

    it('does not pass the check for a version that cannot be had', async () => {
      const check = await under.source.check(under.host, under.unavailable, DEADLINE_MS);
      expect(check.installedVersion).toBe(under.from);
      const notPassed = check.checks.filter((result) => result.passed !== true);
      expect(notPassed.length).toBeGreaterThan(0);
      for (const result of notPassed) expect(result.detail).not.toBe('');
    });

    it('applies, verifies, rolls back and verifies again', async () => {
      const before = under.fingerprint();
      expect(await runJob(under.source.apply(under.host, under.item))).toBe(0);
      expect(await installed()).toBe(under.item.targetVersion);
      expect(await runJob(under.source.rollback(under.host, under.item, under.from))).toBe(0);
      expect(await installed()).toBe(under.from);
      expect(under.fingerprint()).toBe(before);
    });

    it('may be applied again where it was applied already', async () => {
      expect(await runJob(under.source.apply(under.host, under.item))).toBe(0);
      expect(await runJob(under.source.apply(under.host, under.item))).toBe(0);
      expect(await installed()).toBe(under.item.targetVersion);
      expect((await under.source.check(under.host, under.item, DEADLINE_MS)).installedVersion).toBe(under.item.targetVersion);
    });

    it('fails to apply what cannot be had, and leaves what was installed', async () => {
      const before = under.fingerprint();
      expect(await runJob(under.source.apply(under.host, under.unavailable))).not.toBe(0);
      expect(await installed()).toBe(under.from);
      expect(under.fingerprint()).toBe(before);
    });

    it('answers nothing for sure when the host does not answer', async () => {
      await under.host.access.close();
      const check = await under.source.check(under.host, under.item, 1_000);
      expect(check.wayBack.proven).toBe(false);
      expect(check.checks.some((result) => result.passed === null)).toBe(true);
      expect(check.checks.every((result) => result.passed !== true)).toBe(true);
      const verification = await under.source.verify(under.host, under.item, 1_000);
      expect(verification).toMatchObject({ version: { installed: null }, rebootNeeded: null });
    });
  });
}
