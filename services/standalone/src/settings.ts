import { parseArgs } from 'node:util';
import { driftSettings } from '@understudy/drift';
import { inventorySettings } from '@understudy/inventory';
import { notificationSettings } from '@understudy/notification';
import { orchestratorSettings } from '@understudy/orchestrator';
import { listenSettings, LOG_LEVELS, parseSettings, parsers, setting, settingsHelp, type Settings } from '@understudy/runtime';

/** Where the installation lies unless said otherwise, from where the command is called. */
export const DEFAULT_DATA_FOLDER = 'understudy-data';

const POSTGRES_URL = parsers.url('postgresql', 'postgres');

// The key is made at the first start and lies in the data folder.
const { factsKey: _inTheDataFolder, ...withoutKey } = inventorySettings;

export const standaloneSettings = {
  ...listenSettings,
  ...withoutKey,
  ...driftSettings,
  ...orchestratorSettings,
  ...notificationSettings,
  dataFolder: setting({
    name: 'DATA_FOLDER',
    describe: 'Folder with the store, tokens and definitions of credentials; made if absent',
    default: DEFAULT_DATA_FOLDER,
    parse: parsers.text,
  }),
  storeUrl: setting({
    name: 'STORE_URL',
    describe: 'URL of an administrator of a PostgreSQL of your own; empty = the embedded one, in the data folder',
    default: '',
    parse: (text) => (text === '' ? undefined : POSTGRES_URL(text)),
    secret: true,
  }),
  logLevel: setting({
    name: 'LOG_LEVEL',
    describe: `How much is logged: ${LOG_LEVELS.join(', ')}`,
    default: 'info',
    parse: parsers.oneOf(...LOG_LEVELS),
  }),
  allowSimulated: setting({
    name: 'ALLOW_SIMULATED',
    describe: 'true = clusters of the platform "simulated" may be registered; for trying out only',
    default: 'false',
    parse: parsers.boolean,
  }),
};

export type StandaloneSettings = Settings<typeof standaloneSettings>;

const HELP_HEAD = `npm start -- [--data DIR] [--host ADDRESS] [--port PORT]
npm start -- token create --subject NAME --role ROLE | revoke ID | list
npm start -- checkpoint-key rotate | public

Runs inventory, drift, orchestrator and notification in one process, with a PostgreSQL of its own in a data folder or with one that
STORE_URL names. The flags stand for DATA_FOLDER, LISTEN_HOST and LISTEN_PORT.`;

export function helpText(): string {
  return settingsHelp(HELP_HEAD, standaloneSettings);
}

export type Command =
  | { readonly command: 'help' }
  | { readonly command: 'serve'; readonly settings: StandaloneSettings }
  | { readonly command: 'token' | 'checkpoint-key'; readonly dataFolder: string; readonly args: readonly string[] };

/** @throws in words, or `SettingsError`, when used wrongly. */
export function readCommand(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): Command {
  const [first, ...rest] = argv;
  if (first === 'token' || first === 'checkpoint-key')
    return { command: first, dataFolder: env['DATA_FOLDER'] ?? DEFAULT_DATA_FOLDER, args: rest };
  const { values } = parseArgs({
    args: [...argv],
    options: {
      data: { type: 'string' },
      host: { type: 'string' },
      port: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return { command: 'help' };
  const flags = { DATA_FOLDER: values.data, LISTEN_HOST: values.host, LISTEN_PORT: values.port };
  const given = Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
  return { command: 'serve', settings: parseSettings(standaloneSettings, { ...env, ...given }) };
}
