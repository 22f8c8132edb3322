import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { prepareScript, removeScript } from './prepare.js';

const HELP = `npm run --silent host:prepare -- --key FILE.pub --unit NAME.service [--unit ...] [--patroni UNIT=FILE] [--redis FILE] [--resource NAME ...] [--user NAME]
npm run --silent host:prepare -- --remove [--user NAME]

Prints the script that prepares a host for Understudy, or takes that away again. It changes nothing itself: read the script, then run it
on the host as root, for example
  npm run --silent host:prepare -- --key understudy.pub --unit patroni.service > prepare.sh
  less prepare.sh
  ssh root@db1 sh -s < prepare.sh
It may be run again at any time, and has to be after an upgrade of Understudy that changed the helper.

  --key FILE.pub        the public key that Understudy logs in with
  --user NAME           the account that it logs in as, made where it is missing (understudy)
  --unit NAME.service   a service that it may hold, start and stop; as often as there are such services
  --patroni UNIT=FILE   the service that runs Patroni, and its configuration file
  --redis FILE          the configuration file of Redis
  --resource NAME       a resource of Pacemaker that it may move; as often as there are such resources
`;

/** What to print, and on which channel; the exit code. */
export function prepareHost(argv: readonly string[]): { readonly code: number; readonly out: string; readonly error: string } {
  try {
    return { code: 0, out: scriptFor(argv), error: '' };
  } catch (error) {
    return { code: 2, out: '', error: `${error instanceof Error ? error.message : String(error)}\n\n${HELP}` };
  }
}

function scriptFor(argv: readonly string[]): string {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      key: { type: 'string' },
      user: { type: 'string', default: 'understudy' },
      unit: { type: 'string', multiple: true, default: [] },
      patroni: { type: 'string' },
      redis: { type: 'string' },
      resource: { type: 'string', multiple: true, default: [] },
      remove: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return HELP;
  if (values.remove) return removeScript(values.user);
  if (values.key === undefined) throw new Error('Name the public key: --key FILE.pub');
  const [unit = '', file] = values.patroni?.split('=') ?? [];
  if (values.patroni !== undefined && file === undefined) throw new Error('Give Patroni as --patroni UNIT=FILE.');
  return prepareScript({
    user: values.user,
    publicKey: readFileSync(values.key, 'utf8').trim(),
    units: values.unit,
    ...(values.resource.length === 0 ? {} : { resources: values.resource }),
    ...(file === undefined ? {} : { patroni: { unit, file } }),
    ...(values.redis === undefined ? {} : { redis: { file: values.redis } }),
  });
}
