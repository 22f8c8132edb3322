import { createHash } from 'node:crypto';
import { chmodSync, chownSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { testHost, type TestHost } from '@understudy/testing';
import type { PatchItem } from '@understudy/cluster';
import { patchSourceContract } from '../contract.js';
import { patchSources } from '../index.js';
import { scriptSource } from './script.js';

const DEADLINE_MS = 20_000;
const asRoot = process.getuid?.() === 0;
const item: PatchItem = { name: 'widget', targetVersion: '2.0', source: 'script' };

/** A whole command in sh: the version lies in a file; 9.9 cannot be had. */
const COMMAND = `#!/bin/sh
input=$(cat)
target=$(printf '%s' "$input" | sed -n 's/.*"targetVersion":"\\([^"]*\\)".*/\\1/p')
previous=$(printf '%s' "$input" | sed -n 's/.*"previousVersion":"\\([^"]*\\)".*/\\1/p')
installed=$(cat version)
case $1 in
  check)
    ok=true; [ "$target" != 9.9 ] || ok=false
    printf '{"installedVersion":"%s","checks":[{"check":"widget-there","passed":%s,"detail":"%s looked for"}],' "$installed" "$ok" "$target"
    printf '"wayBack":{"proven":true,"detail":"%s is kept"}}' "$installed" ;;
  apply) [ "$target" != 9.9 ] || { echo 'no such version' >&2; exit 1; }; echo "$target" >version; echo "applied $target" ;;
  rollback) echo "$previous" >version ;;
  verify) printf '{"installedVersion":"%s","rebootNeeded":false,"checks":[{"check":"widget-runs","passed":true,"detail":"ok"}]}' "$installed" ;;
esac
`;

function commands(program: string, manifest: Record<string, unknown> = {}): { folder: string; sha256: string } {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), 'understudy-commands-'));
  const sha256 = createHash('sha256').update(program).digest('hex');
  writeFileSync(join(folder, 'patch-widget'), program, { mode: 0o644 });
  const whole = { service: 'restarts', mayNeedReboot: true, commands: { 'patch-widget': { sha256 } }, ...manifest };
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify(whole), { mode: 0o644 });
  return { folder, sha256 };
}

function hostFor(sha256: string): TestHost {
  const test = testHost({ patching: { script: { command: 'patch-widget', sha256 } } });
  writeFileSync(join(test.root, 'version'), '1.0\n');
  return test;
}

patchSourceContract('script', async () => {
  const { folder, sha256 } = commands(COMMAND);
  const { host, root, remove } = hostFor(sha256);
  return {
    source: scriptSource(folder),
    host,
    from: '1.0',
    item,
    unavailable: { ...item, targetVersion: '9.9' },
    fingerprint: () => readFileSync(join(root, 'version'), 'utf8'),
    remove: async () => {
      await remove();
      rmSync(folder, { recursive: true });
    },
  };
});

describe('patch source script', () => {
  const open: TestHost[] = [];
  const folders: string[] = [];
  const made = (program: string, manifest?: Record<string, unknown>): { folder: string; sha256: string } => {
    const made_ = commands(program, manifest);
    folders.push(made_.folder);
    return made_;
  };
  const checkWith = async (program: string) => {
    const { folder, sha256 } = made(program);
    const test = hostFor(sha256);
    open.push(test);
    return scriptSource(folder).check(test.host, item, DEADLINE_MS);
  };
  let good: { folder: string; sha256: string };
  beforeEach(() => (good = made(COMMAND)));
  afterEach(async () => {
    for (const test of open.splice(0)) await test.remove();
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
  });

  it('declares what its manifest says', () => {
    expect(scriptSource(good.folder).declares).toEqual({ service: 'restarts', mayNeedReboot: true });
  });

  it('gives the command one JSON object', async () => {
    const program = '#!/bin/sh\nread -r line\nprintf \'%s\' "$line" >seen\necho {}\n';
    const { folder, sha256 } = made(program);
    const test = hostFor(sha256);
    open.push(test);
    await scriptSource(folder).check(test.host, { ...item, artifact: 'a1' }, DEADLINE_MS);
    expect(JSON.parse(readFileSync(join(test.root, 'seen'), 'utf8'))).toEqual({
      verb: 'check',
      host: 'test-host',
      item: { name: 'widget', targetVersion: '2.0', artifact: 'a1' },
    });
  });

  it.each([
    ['not json', "#!/bin/sh\necho 'all fine'\n", 'did not print JSON: "all fine\\n"'],
    ['no object', '#!/bin/sh\necho [1]\n', 'JSON that is not an object'],
    ['no checks', '#!/bin/sh\necho \'{"installedVersion":"1.0"}\'\n', 'reported no checks'],
    ['no real check', '#!/bin/sh\necho \'{"checks":[{"ok":true}]}\'\n', 'reported a check that is none: "{\\"ok\\":true}"'],
    ['failure', '#!/bin/sh\necho broken >&2\nexit 3\n', 'ended with 3: broken'],
  ])('takes an answer that is wrong (%s) as no answer', async (_, program, message) => {
    const result = await checkWith(program);
    expect(result.wayBack.proven).toBe(false);
    expect(result.checks).toEqual([{ check: 'script-answer', passed: null, detail: expect.stringContaining(message) as string }]);
  });

  it('runs nothing when the file was changed after it was digested', () => {
    const source = scriptSource(good.folder);
    const test = hostFor(good.sha256);
    open.push(test);
    writeFileSync(join(good.folder, 'patch-widget'), '#!/bin/sh\necho evil\n');
    expect(() => source.apply(test.host, item)).toThrow('It was changed; nothing was run.');
  });

  it('runs nothing when the host was registered with another digest', () => {
    const test = hostFor('0'.repeat(64));
    open.push(test);
    expect(() => scriptSource(good.folder).apply(test.host, item)).toThrow('Have it looked at and named again.');
  });

  it('runs nothing on the host when the bytes there are not those that were sent', async () => {
    const test = hostFor(good.sha256);
    open.push(test);
    const description = scriptSource(good.folder).apply(test.host, item);
    const tampered = `${Buffer.from('#!/bin/sh\ntouch evil\n').toString('base64')}\n{}\n`;
    const result = await test.host.access.run({ ...description, stdin: tampered, deadlineMs: DEADLINE_MS });
    expect(result).toMatchObject({ code: 65, stderr: 'the command did not arrive as it was sent; nothing was run\n' });
  });

  it.each([
    [{ service: 'paused' }, '"service" must be'],
    [{ mayNeedReboot: 'no' }, '"mayNeedReboot" must be'],
    [{ commands: { '../up': { sha256: 'a' } } }, 'command "../up"'],
    [{ extra: 1 }, '"extra" is not known'],
  ])('refuses the manifest %j', (change, message) => {
    expect(() => scriptSource(made(COMMAND, change).folder)).toThrow(message);
  });

  it('refuses a manifest that is not JSON, saying where', () => {
    writeFileSync(join(good.folder, 'manifest.json'), '{ "service": ');
    expect(() => scriptSource(good.folder)).toThrow(/manifest\.json cannot be read as JSON: .+/);
  });

  it('refuses a folder, a manifest or a command that others can write to, and links', () => {
    for (const name of ['', 'manifest.json', 'patch-widget']) {
      const { folder, sha256 } = made(COMMAND);
      chmodSync(join(folder, name), name === '' ? 0o777 : 0o666);
      const test = hostFor(sha256);
      open.push(test);
      expect(() => scriptSource(folder).apply(test.host, item), name).toThrow('can be written by others');
    }
    rmSync(join(good.folder, 'patch-widget'));
    symlinkSync('/bin/true', join(good.folder, 'patch-widget'));
    const test = hostFor(good.sha256);
    open.push(test);
    expect(() => scriptSource(good.folder).apply(test.host, item)).toThrow('links are not followed');
  });

  it.runIf(asRoot)('refuses a command that belongs to another user (needs root)', () => {
    chownSync(join(good.folder, 'patch-widget'), 65_534, 65_534);
    const test = hostFor(good.sha256);
    open.push(test);
    expect(() => scriptSource(good.folder).apply(test.host, item)).toThrow('belongs to user 65534');
  });

  it('refuses a host that names no command, or one that is not there', () => {
    const bare = testHost();
    const other = testHost({ patching: { script: { command: 'nope', sha256: good.sha256 } } });
    open.push(bare, other);
    expect(() => scriptSource(good.folder).apply(bare.host, item)).toThrow('needs patching.script');
    expect(() => scriptSource(good.folder).apply(other.host, item)).toThrow('There is no command "nope"');
  });
});

describe('table of patch sources', () => {
  it('says which there are when one is not', () => {
    expect(() => patchSources()('apk')).toThrow('Patch source "apk" is not known. There are: apt, release.');
    expect(() => patchSources()('script')).toThrow('is not set up here');
    expect(patchSources()('release').name).toBe('release');
  });
});
