import { readFileSync } from 'node:fs';
import type { CheckResult, PatchItem } from '@understudy/cluster';
import type { Host } from '../../host.js';
import { HostError } from '../../host-error.js';
import { HELPER, HELPER_VERSION } from '../../privileged/command.js';
import type { JobDescription, PatchCheck, PatchSource, PatchVerification } from '../source.js';

const PROGRAM = readFileSync(new URL('../../../src/patching/apt/apt.sh', import.meta.url), 'utf8');

/** deb-control(5) and deb-version(7); a version of ours ends with a letter or digit, which keeps apt from reading a sign there. */
const NAME = /^[a-z0-9][a-z0-9+.-]{1,127}$/;
const VERSION = /^[0-9A-Za-z](?:[0-9A-Za-z.+:~-]{0,126}[0-9A-Za-z])?$/;

/** As the look tells it and the helper takes it: NAME:ARCHITECTURE=VERSION. */
const PACKAGE = /^[a-z0-9][a-z0-9+.-]{1,127}:[a-z0-9-]{2,30}=[0-9A-Za-z.+:~-]{1,128}$/;

const CHECKS = ['helper', 'lists', 'dpkg', 'lock', 'transaction', 'held', 'disk'] as const;

/**
 * Debian's packages. An item is one package with its version; what it brings along is told by apt's own simulation on fresh
 * lists, noted as evidence, and where the caller hands that over again, installed exactly so or not at all. What is replaced is kept on the host first, and that is the way back;
 * what is installed is kept too, for the next time. Where it was known that there is no way back, it is applied without one.
 * Whatever needs root is asked of the privileged helper.
 */
export const aptSource: PatchSource = {
  name: 'apt',
  declares: { service: 'stopped', mayNeedReboot: true },

  async check(host, item, deadlineMs): Promise<PatchCheck> {
    const { name, targetVersion } = checked(item);
    const seen = await look(host, ['look', HELPER, HELPER_VERSION, name, targetVersion], deadlineMs);
    if (seen.status === 'unknown') return unclear(seen.reason);
    const wayBack = seen.facts.get('way-back');
    const transaction = seen.facts.get('closure')?.split(' ') ?? [];
    return {
      ...(transaction.length === 0 ? {} : { transaction }),
      installedVersion: seen.facts.get('installed') || null,
      checks: CHECKS.map((check) => verdict(`apt-${check}`, seen.facts.get(check))),
      wayBack: { proven: wayBack?.startsWith('yes ') ?? false, detail: detailOf(wayBack) },
    };
  },

  apply(_host, item, transaction = []): JobDescription {
    const { name, targetVersion } = checked(item);
    const wrong = transaction.find((each) => !PACKAGE.test(each));
    if (wrong !== undefined) throw new HostError('patch-item-invalid', `"${wrong}" is no Debian package with its version.`);
    return job('apply', HELPER, name, targetVersion, ...transaction);
  },

  rollback(_host, item, previousVersion): JobDescription {
    const { name, targetVersion } = checked(item);
    return job('back', HELPER, name, targetVersion, checkedVersion(name, previousVersion));
  },

  async verify(host, item, deadlineMs): Promise<PatchVerification> {
    const { name, targetVersion } = checked(item);
    const seen = await look(host, ['verify', name, targetVersion], deadlineMs);
    if (seen.status === 'unknown')
      return { version: { installed: null }, rebootNeeded: null, checks: unclear(seen.reason).checks };
    const reboot = seen.facts.get('reboot') ?? '';
    const rebootNeeded = reboot.startsWith('needed ') ? true : reboot.startsWith('none ') ? false : null;
    return {
      version: { installed: seen.facts.get('installed') || null },
      rebootNeeded,
      checks: [
        verdict('apt-state', seen.facts.get('state')),
        { check: 'apt-reboot', passed: rebootNeeded === null ? null : true, detail: detailOf(reboot) },
      ],
    };
  },
};

/** @throws HostError when apt would read the item as anything else than a package and its version. */
function checked(item: PatchItem): PatchItem {
  if (!NAME.test(item.name)) throw new HostError('patch-item-invalid', `"${item.name}" cannot be the name of a Debian package.`);
  checkedVersion(item.name, item.targetVersion);
  return item;
}

function checkedVersion(name: string, version: string): string {
  if (VERSION.test(version)) return version;
  throw new HostError('patch-item-invalid', `"${version}" cannot be a version of Debian package ${name}.`);
}

type Look =
  | { readonly status: 'read'; readonly facts: ReadonlyMap<string, string> }
  | { readonly status: 'unknown'; readonly reason: string };

async function look(host: Host, [verb, ...args]: readonly [string, ...string[]], deadlineMs: number): Promise<Look> {
  const result = await host.access.run({ ...job(verb, ...args), deadlineMs });
  if (result.status === 'unknown') return result;
  if (result.code !== 0)
    return {
      status: 'unknown',
      reason: `the look at the packages ended with ${result.code}: ${result.stderr.trim().slice(0, 300)}`,
    };
  return { status: 'read', facts: readFacts(result.stdout) };
}

/** Pure: `<fact> <value>` line by line. */
function readFacts(output: string): ReadonlyMap<string, string> {
  const lines = output.split('\n').filter((line) => line !== '');
  return new Map(lines.map((line) => [line.split(' ', 1)[0] as string, line.slice(line.indexOf(' ') + 1)] as const));
}

function job(verb: string, ...args: readonly string[]): JobDescription {
  return { argv: ['sh', '-s', '--', verb, ...args], stdin: PROGRAM };
}

function verdict(check: string, fact: string | undefined): CheckResult {
  const passed = fact?.startsWith('yes ') ? true : fact?.startsWith('no ') ? false : null;
  return { check, passed, detail: detailOf(fact) };
}

function detailOf(fact: string | undefined): string {
  return fact === undefined || fact === ''
    ? 'the host said nothing about it'
    : fact.replace(/^(yes|no|unclear|needed|none) /, '');
}

function unclear(reason: string): PatchCheck {
  return {
    installedVersion: null,
    checks: [{ check: 'apt-transaction', passed: null, detail: reason }],
    wayBack: { proven: false, detail: `could not be looked at: ${reason}` },
  };
}
