/** Migrations as a command of their own: services only check, and never have the owner's role. */
import { applyRoles, migrate, SERVICE_NAMES, serviceRole } from '@understudy/event-log';
import type { ServiceName } from '@understudy/event-log';
import { parseSettings, parsers, setting, settingsHelp } from '../config.js';
import { redactText } from '../redaction.js';

const LEAST_PASSWORD_CHARACTERS = 16;

function rolePassword(role: string) {
  return setting({
    name: `${role.toUpperCase()}_PASSWORD`,
    describe: `With --roles: new password of the role understudy_${role}; empty = it keeps the one it has`,
    default: '',
    parse: (text) => {
      if (text !== '' && text.length < LEAST_PASSWORD_CHARACTERS)
        throw new Error(`must have at least ${LEAST_PASSWORD_CHARACTERS} characters`);
      return parsers.optional(text);
    },
    secret: true,
  });
}

export const migrateSettings = {
  ownerUrl: setting({
    name: 'OWNER_URL',
    describe: 'PostgreSQL URL of understudy_owner, or of an administrator (who is needed for --roles)',
    parse: parsers.url('postgresql', 'postgres'),
    secret: true,
  }),
  owner: rolePassword('owner'),
  inventory: rolePassword('inventory'),
  drift: rolePassword('drift'),
  orchestrator: rolePassword('orchestrator'),
  notification: rolePassword('notification'),
};

const HELP = `migrate [--roles]

Brings schemas up to date and ends; as often as one likes, several at once wait for each other. With --roles it first makes
the database roles and what they may do (deploy/postgres/roles.sql), and sets the passwords below.`;

/** Answers the exit code: 0 up to date, 1 refused or failed, 2 used wrongly. */
export async function runMigrations(
  services: readonly ServiceName[],
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  if (argv.includes('--help')) {
    process.stdout.write(settingsHelp(HELP, migrateSettings));
    return 0;
  }
  const unknown = argv.filter((argument) => argument !== '--roles');
  if (unknown.length > 0) {
    process.stderr.write(`There is no argument ${unknown.join(' ')}. See --help.\n`);
    return 2;
  }
  try {
    const { ownerUrl, ...passwords } = parseSettings(migrateSettings, env);
    if (argv.includes('--roles')) await roles(ownerUrl, passwords);
    for (const service of services) {
      const applied = await migrate({ ownerConnection: ownerUrl, service });
      process.stdout.write(`${service}: ${applied.length === 0 ? 'up to date' : `applied ${applied.join(', ')}`}\n`);
    }
    return 0;
  } catch (error) {
    process.stderr.write(`${redactText(error instanceof Error ? error.message : String(error))}\n`);
    return (error as { code?: unknown }).code === 'SETTINGS_INVALID' ? 2 : 1;
  }
}

async function roles(ownerUrl: string, passwords: Readonly<Record<'owner' | ServiceName, string | undefined>>): Promise<void> {
  const named = [
    ['understudy_owner', passwords.owner] as const,
    ...SERVICE_NAMES.map((name) => [serviceRole(name), passwords[name]] as const),
  ];
  const set = named.filter((entry): entry is readonly [string, string] => entry[1] !== undefined);
  await applyRoles(ownerUrl, Object.fromEntries(set));
  process.stdout.write(
    `roles: made; ${set.length === 0 ? 'no password' : `the password of ${set.map(([role]) => role).join(', ')}`} set\n`,
  );
}
