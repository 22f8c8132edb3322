/** Settings come from the environment, are parsed once by a declared table, and a wrong one refuses the start by its name. */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';

export interface Setting<T> {
  /** Name of the environment variable. */
  readonly name: string;
  /** For `--help`: what it does, with the unit. */
  readonly describe: string;
  /** Text as it would stand in the environment. Absent = the setting is required; there is no default secret. */
  readonly default?: string;
  /** Answers the value or throws an `Error` whose message completes "NAME ...", without repeating the text of a secret. */
  readonly parse: (text: string) => T;
  /** A secret's text never appears in help or in errors; instead of `NAME` its holder may set `NAME_FILE`, the path of a file with it. */
  readonly secret?: true;
}

export type SettingsTable = Readonly<Record<string, Setting<unknown>>>;
export type Settings<T extends SettingsTable> = { readonly [K in keyof T]: T[K] extends Setting<infer V> ? V : never };

/** Lists every wrong setting in one message. `code` SETTINGS_INVALID. */
export class SettingsError extends Error {
  readonly code = 'SETTINGS_INVALID';
  constructor(readonly wrong: readonly string[]) {
    super(
      `Not started, because of the settings:\n${wrong.map((line) => `  ${line}`).join('\n')}\nRun with --help to see all settings.`,
    );
    this.name = 'SettingsError';
  }
}

/** Declares one setting; only here so that its value type is inferred. */
export function setting<T>(declared: Setting<T>): Setting<T> {
  return declared;
}

/** Parses all settings at once. Throws `SettingsError` that names every wrong or missing one. */
export function parseSettings<T extends SettingsTable>(table: T, env: Readonly<Record<string, string | undefined>>): Settings<T> {
  const wrong: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [key, declared] of Object.entries(table)) {
    let text: string | undefined;
    try {
      text = textOf(declared, env);
      if (text === undefined) wrong.push(`${declared.name} is not set: ${declared.describe}`);
      else values[key] = declared.parse(text);
    } catch (error) {
      const shown = declared.secret === true ? '' : ` (it is ${JSON.stringify(text)})`;
      wrong.push(`${declared.name} ${error instanceof Error ? error.message : 'cannot be read'}${shown}`);
    }
  }
  if (wrong.length > 0) throw new SettingsError(wrong);
  return values as Settings<T>;
}

/** The setting itself, else for a secret the file that `NAME_FILE` names, else the default. */
function textOf({ name, secret, default: fallback }: Setting<unknown>, env: Readonly<Record<string, string | undefined>>) {
  const file = secret === true ? env[`${name}_FILE`] : undefined;
  if (file === undefined || file === '') return env[name] ?? fallback;
  if (env[name] !== undefined) throw new Error(`and ${name}_FILE are both set; set one of them`);
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? 'unknown reason';
    throw new Error(`cannot be read from the file that ${name}_FILE names: ${why}`, { cause: error });
  }
}

/** The text of `--help`: one paragraph per setting, defaults included. */
export function settingsHelp(title: string, ...tables: readonly SettingsTable[]): string {
  const lines = tables
    .flatMap((table) => Object.values(table))
    .map((declared) => {
      const fallback =
        declared.default === undefined ? 'required' : declared.default === '' ? 'default: empty' : `default: ${declared.default}`;
      return `  ${declared.name}\n      ${declared.describe} (${declared.secret === true ? `secret, ${fallback}; or ${declared.name}_FILE = path of a file with it` : fallback})`;
    });
  return `${title}\n\nSettings (environment variables):\n\n${lines.join('\n')}\n`;
}

/** Parsers. Each throws a message that completes "NAME ...". */
export const parsers = {
  text: (text: string): string => {
    if (text.trim() === '') throw new Error('must not be empty');
    return text;
  },
  optional: (text: string): string | undefined => (text === '' ? undefined : text),
  boolean: (text: string): boolean => {
    if (text !== 'true' && text !== 'false') throw new Error('must be true or false');
    return text === 'true';
  },
  integer:
    (least: number, most: number) =>
    (text: string): number => {
      const value = Number(text);
      if (!/^-?\d+$/.test(text) || value < least || value > most)
        throw new Error(`must be a whole number from ${least} to ${most}`);
      return value;
    },
  oneOf:
    <const V extends string>(...values: readonly V[]) =>
    (text: string): V => {
      const found = values.find((value) => value === text);
      if (found === undefined) throw new Error(`must be one of ${values.join(', ')}`);
      return found;
    },
  list: (text: string): readonly string[] =>
    text
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== ''),
  host: (text: string): string => {
    if (isIP(text) === 0 && !/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(text)) throw new Error('must be an address or a host name');
    return text;
  },
  url:
    (...protocols: readonly string[]) =>
    (text: string): string => {
      const protocol = URL.canParse(text) ? new URL(text).protocol.slice(0, -1) : undefined;
      if (protocol === undefined || !protocols.includes(protocol))
        throw new Error(`must be a URL that starts with ${protocols.join(':// or ')}://`);
      return text;
    },
};
