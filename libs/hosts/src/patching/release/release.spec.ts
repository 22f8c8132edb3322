import { chmodSync, mkdirSync, readdirSync, readlinkSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { testHost, type TestHost } from '@understudy/testing';
import type { PatchItem } from '@understudy/cluster';
import { HostError } from '../../host-error.js';
import { patchSourceContract } from '../contract.js';
import { releaseSource } from './release.js';

const DEADLINE_MS = 20_000;
const item: PatchItem = { name: 'postgresql', targetVersion: '17.10', source: 'release' };

function release(root: string, directory: string, version: string): string {
  const folder = join(root, 'releases', directory);
  mkdirSync(join(folder, 'bin'), { recursive: true });
  writeFileSync(join(folder, 'bin/postgres'), `#!/bin/sh\necho "postgres (PostgreSQL) ${version}"\n`);
  chmodSync(join(folder, 'bin/postgres'), 0o755);
  return folder;
}

function hostWithReleases(settings: Readonly<Record<string, string>> = {}): TestHost {
  const release_ = { folder: 'releases', link: 'current', program: 'bin/postgres', ...settings };
  const test = testHost({ patching: { release: release_ } });
  release(test.root, 'postgresql-17.9', '17.9');
  release(test.root, 'postgresql-17.10', '17.10');
  symlinkSync('releases/postgresql-17.9', join(test.root, 'current'));
  return test;
}

function state(root: string): string {
  return JSON.stringify([
    basename(readlinkSync(join(root, 'current'))),
    readdirSync(root)
      .sort()
      .filter((name) => name !== '.understudy'),
  ]);
}

patchSourceContract('release', async () => {
  const { host, root, remove } = hostWithReleases();
  return {
    source: releaseSource,
    host,
    from: '17.9',
    item,
    unavailable: { ...item, targetVersion: '17.11' },
    fingerprint: () => state(root),
    remove,
  };
});

describe('patch source release', () => {
  let test: TestHost;
  beforeEach(() => (test = hostWithReleases()));
  afterEach(() => test.remove());
  const check = (wanted: PatchItem = item) => releaseSource.check(test.host, wanted, DEADLINE_MS);
  const failing = async (wanted: PatchItem = item) =>
    Object.fromEntries((await check(wanted)).checks.filter((one) => one.passed !== true).map((one) => [one.check, one.detail]));

  it('finds a release whose program does not run', async () => {
    writeFileSync(join(test.root, 'releases/postgresql-17.10/bin/postgres'), '#!/bin/sh\necho broken library >&2\nexit 1\n');
    expect(await failing()).toMatchObject({
      'release-complete': expect.stringContaining('does not run: broken library') as string,
    });
  });

  it('finds a release that is another version than its name says', async () => {
    release(test.root, 'postgresql-17.10', '17.9');
    expect(await failing()).toEqual({ 'release-version': 'the release is version 17.9, the patch set wants 17.10' });
  });

  it('finds a file that differs from the manifest', async () => {
    const folder = release(test.root, 'postgresql-17.10', '17.10');
    writeFileSync(join(folder, 'SHA256SUMS'), `${'0'.repeat(64)}  bin/postgres\n`);
    expect(await failing()).toMatchObject({
      'release-complete': expect.stringContaining('differs from its SHA256SUMS') as string,
    });
  });

  it('proves no way back when the old release is gone or broken', async () => {
    rmSync(join(test.root, 'releases/postgresql-17.9/bin/postgres'));
    const broken = await check();
    expect(broken.wayBack).toEqual({
      proven: false,
      detail: 'releases/postgresql-17.9/bin/postgres is missing or may not be run',
    });
    rmSync(join(test.root, 'releases/postgresql-17.9'), { recursive: true });
    const gone = await check();
    expect(gone.wayBack).toEqual({ proven: false, detail: 'current points at no release, so there is none to return to' });
  });

  it('says when nothing could tell whether a release is complete', async () => {
    await test.remove();
    test = testHost({ patching: { release: { folder: 'releases', link: 'current' } } });
    release(test.root, 'postgresql-17.9', '17.9');
    release(test.root, 'postgresql-17.10', '17.10');
    symlinkSync('releases/postgresql-17.9', join(test.root, 'current'));
    const result = await check();
    expect(result.checks.find((one) => one.check === 'release-complete')?.passed).toBeNull();
    expect(result.wayBack.proven).toBe(false);
  });

  it('does not take a link that leads elsewhere for a release', async () => {
    mkdirSync(join(test.root, 'elsewhere'));
    rmSync(join(test.root, 'current'));
    symlinkSync('elsewhere', join(test.root, 'current'));
    expect((await check()).installedVersion).toBeNull();
    expect(await failing()).toMatchObject({ 'release-in-use': 'current is not a link to a directory in releases' });
  });

  it('takes an artifact as the directory, and finds the way back from it by version', async () => {
    renameSync(join(test.root, 'releases/postgresql-17.9'), join(test.root, 'releases/old-build-7'));
    rmSync(join(test.root, 'current'));
    symlinkSync('releases/old-build-7', join(test.root, 'current'));
    release(test.root, 'new-build-8', '17.10');
    const built: PatchItem = { ...item, artifact: 'new-build-8' };
    expect(await failing(built)).toEqual({});
    const run = async (description: ReturnType<typeof releaseSource.apply>) =>
      test.host.access.run({ ...description, deadlineMs: DEADLINE_MS });
    expect(await run(releaseSource.apply(test.host, built))).toMatchObject({ code: 0 });
    expect(basename(readlinkSync(join(test.root, 'current')))).toBe('new-build-8');
    expect(await run(releaseSource.rollback(test.host, built, '17.9'))).toMatchObject({ code: 0 });
    expect(basename(readlinkSync(join(test.root, 'current')))).toBe('old-build-7');
    expect(await run(releaseSource.rollback(test.host, built, '16.1'))).toMatchObject({
      code: 1,
      stderr: 'no directory in releases holds version 16.1\n',
    });
  });

  it('never leaves a moment without a link while it flips', async () => {
    const watch = test.host.access.run({
      argv: ['sh', '-c', 'while [ ! -e stop ]; do current/bin/postgres --version >/dev/null || echo missed; done'],
      deadlineMs: 60_000,
    });
    for (let round = 0; round < 5; round++) {
      for (const description of [releaseSource.apply(test.host, item), releaseSource.rollback(test.host, item, '17.9')]) {
        expect(await test.host.access.run({ ...description, deadlineMs: DEADLINE_MS })).toMatchObject({ code: 0 });
      }
    }
    writeFileSync(join(test.root, 'stop'), '');
    expect(await watch).toMatchObject({ status: 'exited', stdout: '', stderr: '' });
  });

  it.each([
    [{}, 'has no patching.release'],
    [{ release: { folder: 'releases' } }, 'patching.release.link'],
    [{ release: { folder: '../up', link: 'current' } }, 'patching.release.folder'],
    [{ release: { folder: '/etc', link: 'current' } }, 'patching.release.folder'],
    [{ release: { folder: 'releases', link: 'current', typo: 'x' } }, 'patching.release.typo'],
    [{ release: { folder: 'releases', link: 'current', item: 'redis' } }, 'keeps releases of "redis"'],
  ])('refuses settings %j', (patching, message) => {
    const host = {
      ...test.host,
      definition: { ...test.host.definition, patching: patching as Record<string, Record<string, string>> },
    };
    expect(() => releaseSource.apply(host, item)).toThrow(message);
  });

  it.each(['../../etc', 'a b', '.hidden', ''])('refuses the artifact "%s"', (artifact) => {
    expect(() => releaseSource.apply(test.host, { ...item, artifact })).toThrow(HostError);
  });
});
