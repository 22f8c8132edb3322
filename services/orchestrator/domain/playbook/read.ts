import type { Refusal } from '@understudy/decider';
import { GATES, PHASES, type GateName, type Phase, type Playbook, type PlaybookCheck, type StepKind } from '../rollout/plan.js';
import { DEFAULT_DURATIONS_MS } from '../rollout/budget.js';

/** The playbook that a practice window uses: everything on, soaks of a second. */
export const DEFAULT_PLAYBOOK: Playbook = {
  name: 'default',
  version: 1,
  kind: 'patch',
  gates: [],
  phases: {
    switchoverTest: { enabled: true, andBack: true },
    failback: { enabled: false },
    soakMs: 1_000,
    interruptionBudgetMs: 10_000,
  },
  checks: [],
  pauseBefore: [],
  onFailure: 'rollback',
  maxUnavailable: 1,
  durations: { patch: 10_000, unpatch: 10_000, reboot: 10_000, join: 10_000 },
};

export type PlaybookReading = { readonly playbook: Playbook } | { readonly refusals: readonly Refusal[] };

type Fields = Readonly<Record<string, unknown>>;
type Say = (pointer: string, code: string, detail: string) => void;

/** The longest duration (one day, in milliseconds) that a playbook may name. */
export const LONGEST_MS = 86_400_000;

/**
 * Reads a playbook from a parsed document. Every field but `name` and `version` has a default, which is written out in what
 * is stored. Nothing is dropped and nothing coerced: an unknown field, gate, phase or kind of check is refused, all at once.
 */
export function readPlaybook(document: unknown): PlaybookReading {
  const refusals: Refusal[] = [];
  const say: Say = (pointer, code, detail) => refusals.push({ pointer, code, detail });
  const root = fieldsOf(document, '', TOP, say);
  const phases = fieldsOf(root['phases'] ?? {}, '/phases', ['switchoverTest', 'failback', 'soakMs', 'interruptionBudgetMs'], say);
  const test = fieldsOf(phases['switchoverTest'] ?? {}, '/phases/switchoverTest', ['enabled', 'andBack'], say);
  const failback = fieldsOf(phases['failback'] ?? {}, '/phases/failback', ['enabled'], say);
  const normal = DEFAULT_PLAYBOOK;
  const playbook: Playbook = {
    name: nameOf(root['name'], '/name', say),
    version: number(root['version'], '/version', 0, 1, 1_000_000, say),
    kind: oneOf(root['kind'], '/kind', normal.kind, ['patch', 'rehearsal', 'switchover-test', 'downtime'], say),
    gates: list(root['gates'], '/gates', say).map((gate, index) => gateOf(gate, `/gates/${index}`, say)),
    phases: {
      switchoverTest: {
        enabled: flag(test['enabled'], '/phases/switchoverTest/enabled', true, say),
        andBack: flag(test['andBack'], '/phases/switchoverTest/andBack', true, say),
      },
      failback: { enabled: flag(failback['enabled'], '/phases/failback/enabled', false, say) },
      soakMs: number(phases['soakMs'], '/phases/soakMs', normal.phases.soakMs, 0, LONGEST_MS, say),
      interruptionBudgetMs: number(
        phases['interruptionBudgetMs'],
        '/phases/interruptionBudgetMs',
        normal.phases.interruptionBudgetMs,
        1,
        LONGEST_MS,
        say,
      ),
    },
    checks: checksOf(root['checks'], say),
    pauseBefore: list(root['pauseBefore'], '/pauseBefore', say).map((phase, index) =>
      phaseOf(phase, `/pauseBefore/${index}`, say),
    ),
    onFailure: oneOf(root['onFailure'], '/onFailure', normal.onFailure, ['rollback', 'hold'], say),
    maxUnavailable: oneOf(root['maxUnavailable'], '/maxUnavailable', 1, [1], say),
    durations: durationsOf(root['durations'], say),
    ...mixedOf(root['mixedVersionsMaxMs'], say),
  };
  return refusals.length > 0 ? { refusals } : { playbook };
}

const TOP = [
  'name',
  'version',
  'kind',
  'gates',
  'phases',
  'checks',
  'pauseBefore',
  'onFailure',
  'maxUnavailable',
  'durations',
  'mixedVersionsMaxMs',
];

/** An object's fields; a field that is not known is refused by name. */
function fieldsOf(value: unknown, pointer: string, known: readonly string[], say: Say): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    say(pointer, 'NOT_AN_OBJECT', 'This has to be an object with named fields.');
    return {};
  }
  for (const field of Object.keys(value)) {
    if (!known.includes(field))
      say(`${pointer}/${field}`, 'UNKNOWN_FIELD', `There is no field ${field} here; there are ${known.join(', ')}.`);
  }
  return value as Fields;
}

function list(value: unknown, pointer: string, say: Say): readonly unknown[] {
  if (value === undefined) return [];
  if (Array.isArray(value)) return value;
  say(pointer, 'NOT_A_LIST', 'This has to be a list.');
  return [];
}

function nameOf(value: unknown, pointer: string, say: Say): string {
  if (typeof value === 'string' && /^[a-z0-9][a-z0-9-]{0,62}$/.test(value)) return value;
  say(pointer, 'NOT_A_NAME', 'A name has 1 to 63 small letters, digits and hyphens, and begins with a letter or digit.');
  return '';
}

function text(value: unknown, pointer: string, say: Say): string {
  if (typeof value === 'string' && value !== '') return value;
  say(pointer, 'NOT_A_TEXT', 'This has to be a text that is not empty.');
  return '';
}

function flag(value: unknown, pointer: string, normal: boolean, say: Say): boolean {
  if (value === undefined) return normal;
  if (typeof value === 'boolean') return value;
  say(pointer, 'NOT_A_FLAG', 'This has to be true or false.');
  return normal;
}

function number(value: unknown, pointer: string, normal: number, least: number, most: number, say: Say): number {
  const given = value ?? normal;
  if (typeof given === 'number' && Number.isInteger(given) && given >= least && given <= most) return given;
  say(pointer, 'NOT_IN_RANGE', `This has to be a whole number from ${least} to ${most}.`);
  return normal;
}

function oneOf<T extends string | number>(value: unknown, pointer: string, normal: T, known: readonly T[], say: Say): T {
  if (value === undefined) return normal;
  const found = known.find((candidate) => candidate === value);
  if (found === undefined)
    say(pointer, 'UNKNOWN_VALUE', `${JSON.stringify(value)} is not known here; it is one of ${known.join(', ')}.`);
  return found ?? normal;
}

function gateOf(value: unknown, pointer: string, say: Say): Playbook['gates'][number] {
  const fields = fieldsOf(value, pointer, ['gate', 'maxAgeMs'], say);
  const gate = GATES.find((candidate) => candidate === fields['gate']);
  if (gate === undefined)
    say(`${pointer}/gate`, 'UNKNOWN_GATE', `There is no gate ${String(fields['gate'])}; there are ${GATES.join(', ')}.`);
  return { gate: gate ?? ('' as GateName), maxAgeMs: number(fields['maxAgeMs'], `${pointer}/maxAgeMs`, 0, 1, LONGEST_MS, say) };
}

function phaseOf(value: unknown, pointer: string, say: Say): Phase {
  const phase = PHASES.find((candidate) => candidate === value && candidate !== 'recovery' && candidate !== 'admit');
  if (phase === undefined) {
    say(
      pointer,
      'UNKNOWN_PHASE',
      `There is no phase ${String(value)} to pause before; there are ${PHASES.slice(1, -1).join(', ')}.`,
    );
  }
  return phase ?? 'preflight';
}

function durationsOf(value: unknown, say: Say): Playbook['durations'] {
  if (value === undefined) return DEFAULT_PLAYBOOK.durations;
  const kinds = Object.keys(DEFAULT_DURATIONS_MS) as StepKind[];
  const fields = fieldsOf(value, '/durations', kinds, say);
  const given = kinds.filter((kind) => fields[kind] !== undefined);
  return Object.fromEntries(given.map((kind) => [kind, number(fields[kind], `/durations/${kind}`, 0, 1, LONGEST_MS, say)]));
}

/** Without a figure the environment decides. */
function mixedOf(value: unknown, say: Say): Pick<Playbook, 'mixedVersionsMaxMs'> {
  return value === undefined ? {} : { mixedVersionsMaxMs: number(value, '/mixedVersionsMaxMs', 1, 1, LONGEST_MS, say) };
}

const CHECK_FIELDS = { sql: ['sql'], http: ['url'], command: ['command', 'digest'] } as const;

function checksOf(value: unknown, say: Say): readonly PlaybookCheck[] {
  const checks = list(value, '/checks', say).map((check, index) => checkOf(check, `/checks/${index}`, say));
  checks.forEach((check, index) => {
    const twice = checks.findIndex((other) => other.name === check.name) !== index;
    if (twice) say(`/checks/${index}/name`, 'DUPLICATE_CHECK', `There is another check named ${check.name}.`);
  });
  return checks;
}

function checkOf(value: unknown, pointer: string, say: Say): PlaybookCheck {
  const kind = (value as { readonly kind?: unknown } | null)?.kind;
  const own = kind === 'sql' || kind === 'http' || kind === 'command' ? CHECK_FIELDS[kind] : null;
  const fields = fieldsOf(value, pointer, ['name', 'kind', 'expect', ...(own ?? ['sql', 'url', 'command', 'digest'])], say);
  const name = nameOf(fields['name'], `${pointer}/name`, say);
  const expect = text(fields['expect'], `${pointer}/expect`, say);
  const field = (which: string): string => text(fields[which], `${pointer}/${which}`, say);
  switch (kind) {
    case 'sql':
      return { name, kind, sql: field('sql'), expect };
    case 'http':
      return { name, kind, url: field('url'), expect };
    case 'command':
      return { name, kind, command: field('command'), digest: field('digest'), expect };
    default:
      say(`${pointer}/kind`, 'UNKNOWN_CHECK', `There is no check of kind ${String(kind)}; there are sql, http, command.`);
      return { name, kind: 'sql', sql: '', expect };
  }
}
