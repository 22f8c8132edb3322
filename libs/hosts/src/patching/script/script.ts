import type { CheckResult, PatchItem } from '@understudy/cluster';
import type { Host } from '../../host.js';
import { HostError } from '../../host-error.js';
import type { JobDescription, PatchCheck, PatchSource, PatchVerification } from '../source.js';
import { CommandsFolder } from './commands-folder.js';

type Verb = 'check' | 'apply' | 'verify' | 'rollback';

const RUN = `
umask 077
folder=.understudy/commands
file=$folder/$1.$$
mkdir -p "$folder" || exit 73
IFS= read -r program || exit 65
printf '%s' "$program" | base64 -d >"$file" || exit 65
sum=$(sha256sum <"$file")
if [ "\${sum%% *}" != "$1" ]; then
  rm -f "$file"
  echo 'the command did not arrive as it was sent; nothing was run' >&2
  exit 65
fi
chmod 700 "$file" && mv -f "$file" "$folder/$1" || exit 73
umask 022
exec "$folder/$1" "$2"
`;

/**
 * An admin's own commands. A host names one in `patching.script = { command, sha256 }`; it is started as
 * `<command> check|apply|verify|rollback` in the host's root with one JSON object on standard input:
 * `{ verb, host, item: { name, targetVersion, artifact? }, previousVersion? }`.
 * `check` prints `{ installedVersion, checks: [{ check, passed, detail }], wayBack: { proven, detail } }`, `verify`
 * `{ installedVersion, rebootNeeded, checks }`; `apply` and `rollback` say by their exit code and are logged.
 * They have ended when nothing of them runs any more: what is to go on, such as a service, is started in a session of its own.
 * @throws HostError when the folder is not safe to take commands from.
 */
export function scriptSource(commandsFolder: string): PatchSource {
  const folder = new CommandsFolder(commandsFolder);
  const description = (host: Host, item: PatchItem, verb: Verb, previousVersion?: string): JobDescription => {
    const { command, sha256 } = settingsOf(host);
    const program = folder.read(command, sha256).bytes.toString('base64');
    return {
      argv: ['sh', '-c', RUN, 'run-command', sha256, verb],
      stdin: `${program}\n${question(host, item, verb, previousVersion)}\n`,
    };
  };
  return {
    name: 'script',
    declares: { service: folder.manifest.service, mayNeedReboot: folder.manifest.mayNeedReboot },
    async check(host, item, deadlineMs): Promise<PatchCheck> {
      return checkFrom(await ask(host, description(host, item, 'check'), deadlineMs));
    },
    apply: (host, item) => description(host, item, 'apply'),
    rollback: (host, item, previousVersion) => description(host, item, 'rollback', previousVersion),
    async verify(host, item, deadlineMs): Promise<PatchVerification> {
      return verificationFrom(await ask(host, description(host, item, 'verify'), deadlineMs));
    },
  };
}

type Told = { readonly told: Readonly<Record<string, unknown>> } | { readonly reason: string };

async function ask(host: Host, description: JobDescription, deadlineMs: number): Promise<Told> {
  const result = await host.access.run({ ...description, deadlineMs });
  if (result.status === 'unknown') return { reason: result.reason };
  if (result.code !== 0) return { reason: `the command ended with ${result.code}: ${result.stderr.trim().slice(0, 500)}` };
  try {
    const told: unknown = JSON.parse(result.stdout);
    if (isRecord(told)) return { told };
    return { reason: `the command printed JSON that is not an object: ${excerpt(result.stdout)}` };
  } catch {
    return { reason: `the command did not print JSON: ${excerpt(result.stdout)}` };
  }
}

function checkFrom(answer: Told): PatchCheck {
  if ('reason' in answer) {
    const wayBack = { proven: false, detail: `could not be looked at: ${answer.reason}` };
    return { installedVersion: null, checks: [failed(answer.reason)], wayBack };
  }
  const { told } = answer;
  const wayBack = isRecord(told['wayBack']) ? told['wayBack'] : {};
  return {
    installedVersion: textOrNull(told['installedVersion']),
    checks: checksFrom(told['checks']),
    wayBack: {
      proven: wayBack['proven'] === true,
      detail: textOrNull(wayBack['detail']) ?? 'the command said nothing about the way back',
    },
  };
}

function verificationFrom(answer: Told): PatchVerification {
  if ('reason' in answer) return { version: { installed: null }, rebootNeeded: null, checks: [failed(answer.reason)] };
  const { told } = answer;
  const reboot = told['rebootNeeded'];
  return {
    version: { installed: textOrNull(told['installedVersion']) },
    rebootNeeded: typeof reboot === 'boolean' ? reboot : null,
    checks: checksFrom(told['checks']),
  };
}

function checksFrom(value: unknown): readonly CheckResult[] {
  if (!Array.isArray(value) || value.length === 0) return [failed('the command reported no checks; it must report at least one')];
  return value.map((entry: unknown): CheckResult => {
    if (!isRecord(entry) || typeof entry['check'] !== 'string')
      return failed(`the command reported a check that is none: ${excerpt(JSON.stringify(entry))}`);
    const passed = typeof entry['passed'] === 'boolean' ? entry['passed'] : null;
    return { check: entry['check'], passed, detail: textOrNull(entry['detail']) ?? '' };
  });
}

/** An answer that cannot be read is no answer, and no answer is never a yes. */
function failed(detail: string): CheckResult {
  return { check: 'script-answer', passed: null, detail };
}

function question(host: Host, item: PatchItem, verb: Verb, previousVersion: string | undefined): string {
  const { name, targetVersion, artifact } = item;
  const wanted = { name, targetVersion, ...(artifact === undefined ? {} : { artifact }) };
  return JSON.stringify({
    verb,
    host: host.definition.slug,
    item: wanted,
    ...(previousVersion === undefined ? {} : { previousVersion }),
  });
}

function settingsOf(host: Host): { readonly command: string; readonly sha256: string } {
  const settings = host.definition.patching['script'];
  const unknown = Object.keys(settings ?? {}).find((name) => name !== 'command' && name !== 'sha256');
  const { command, sha256 } = settings ?? {};
  if (command === undefined || sha256 === undefined || unknown !== undefined) {
    const what = unknown === undefined ? 'needs' : `has patching.script.${unknown}, which is not known; it needs`;
    throw new HostError(
      'host-setting-invalid',
      `Host ${host.definition.slug} ${what} patching.script = { "command", "sha256" }.`,
    );
  }
  return { command, sha256 };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function excerpt(text: string): string {
  return JSON.stringify(text.slice(0, 200));
}
