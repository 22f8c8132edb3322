import { readFileSync } from 'node:fs';
import type { CheckResult, PatchItem } from '@understudy/cluster';
import type { Host } from '../../host.js';
import type { JobDescription, PatchCheck, PatchSource, PatchVerification } from '../source.js';
import { checkedSettings, directoryOf, type ReleaseSettings } from './settings.js';

const PROGRAM = readFileSync(new URL('../../../src/patching/release/release.sh', import.meta.url), 'utf8');

/**
 * Versioned directories and an atomically flipped link: how tarball installations are patched. The releases lie on the
 * host already, at `<folder>/<name>-<version>` or `<folder>/<artifact>`; settings in `patching.release`:
 * `{ folder, link, item?, program? }`. Nothing is downloaded and no directory is ever removed.
 */
export const releaseSource: PatchSource = {
  name: 'release',
  // The link is flipped under nobody's feet: a running program would load half of its files from another version.
  declares: { service: 'stopped', mayNeedReboot: false },

  async check(host, item, deadlineMs): Promise<PatchCheck> {
    const seen = await look(host, item, deadlineMs);
    if (seen.status === 'unknown') return unclear(seen.reason);
    const { facts } = seen;
    const wayBack = facts.get('way-back');
    return {
      installedVersion: facts.get('installed') || null,
      checks: [
        verdict('release-in-use', facts.get('current')),
        verdict('release-complete', facts.get('target')),
        versionCheck(item, facts),
      ],
      wayBack: { proven: wayBack?.startsWith('yes ') ?? false, detail: detailOf(wayBack) },
    };
  },

  apply(host, item): JobDescription {
    const settings = checkedSettings(host.definition, item);
    return job(settings, item, 'flip', directoryOf(item), item.targetVersion);
  },

  rollback(host, item, previousVersion): JobDescription {
    return job(checkedSettings(host.definition, item), item, 'back', previousVersion);
  },

  async verify(host, item, deadlineMs): Promise<PatchVerification> {
    const seen = await look(host, item, deadlineMs);
    if (seen.status === 'unknown') {
      return { version: { installed: null }, rebootNeeded: null, checks: unclear(seen.reason).checks };
    }
    const { facts } = seen;
    return {
      version: { installed: facts.get('installed') || null },
      rebootNeeded: false,
      checks: [verdict('release-in-use', facts.get('current'))],
    };
  },
};

type Look =
  | { readonly status: 'read'; readonly facts: ReadonlyMap<string, string> }
  | { readonly status: 'unknown'; readonly reason: string };

async function look(host: Host, item: PatchItem, deadlineMs: number): Promise<Look> {
  const settings = checkedSettings(host.definition, item);
  const described = job(settings, item, 'look', directoryOf(item));
  const result = await host.access.run({ ...described, deadlineMs });
  if (result.status === 'unknown') return result;
  if (result.code !== 0)
    return { status: 'unknown', reason: `the look at the releases ended with ${result.code}: ${result.stderr.trim()}` };
  const facts = new Map<string, string>();
  for (const line of result.stdout.split('\n').filter((text) => text !== '')) {
    const space = line.indexOf(' ');
    facts.set(space < 0 ? line : line.slice(0, space), space < 0 ? '' : line.slice(space + 1));
  }
  return { status: 'read', facts };
}

function job(
  settings: ReleaseSettings,
  item: PatchItem,
  verb: 'look' | 'flip' | 'back',
  ...args: readonly string[]
): JobDescription {
  const { folder, link, program } = settings;
  return { argv: ['sh', '-s', '--', verb, folder, link, item.name, program ?? '-', ...args], stdin: PROGRAM };
}

function verdict(check: string, fact: string | undefined): CheckResult {
  const passed = fact?.startsWith('yes ') ? true : fact?.startsWith('no ') ? false : null;
  return { check, passed, detail: detailOf(fact) };
}

function detailOf(fact: string | undefined): string {
  return fact === undefined ? 'the host said nothing about it' : fact.replace(/^(yes|no|unclear) /, '');
}

function versionCheck(item: PatchItem, facts: ReadonlyMap<string, string>): CheckResult {
  const found = facts.get('target-version') || null;
  const passed = found === item.targetVersion;
  const detail = passed
    ? `the release is version ${found}`
    : `the release is version ${found ?? 'unknown'}, the patch set wants ${item.targetVersion}`;
  return { check: 'release-version', passed, detail };
}

function unclear(reason: string): PatchCheck {
  return {
    installedVersion: null,
    checks: [{ check: 'release-in-use', passed: null, detail: reason }],
    wayBack: { proven: false, detail: `could not be looked at: ${reason}` },
  };
}
