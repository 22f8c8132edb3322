import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';

const ATTEMPTS = 10;
const PAUSE_MS = 50;

/** Where `deploy/postgres/roles.sql` lies: three folders up, from `src` as from `dist`. */
const ROLES_FILE = fileURLToPath(new URL('../../../deploy/postgres/roles.sql', import.meta.url));

export type ServiceName = 'inventory' | 'drift' | 'orchestrator' | 'notification';
export const SERVICE_NAMES: readonly ServiceName[] = ['inventory', 'drift', 'orchestrator', 'notification'];

/** Passwords by role, e.g. `{understudy_inventory: '...'}`; a role that is not named keeps the one it has. */
export type RolePasswords = Readonly<Record<string, string>>;

/** Two administrators at once collide in the shared catalogue: XX000 "tuple concurrently updated", or the role exists by now. */
function isCollision(error: unknown): boolean {
  return error instanceof pg.DatabaseError && ['XX000', '23505', '42710', '40P01'].includes(error.code ?? '');
}

/**
 * Runs `deploy/postgres/roles.sql` in the connection's database and sets passwords. As often as one likes.
 * `adminConnection` is the URL of an administrator (superuser, or CREATEROLE and CREATE on the database).
 */
export async function applyRoles(adminConnection: string, passwords: RolePasswords): Promise<void> {
  const client = new pg.Client({ connectionString: adminConnection, application_name: 'understudy-roles' });
  await client.connect();
  try {
    const statements = Object.entries(passwords).map(
      ([role, password]) => `alter role ${client.escapeIdentifier(role)} password ${client.escapeLiteral(password)}`,
    );
    const script = ['begin', readFileSync(ROLES_FILE, 'utf8').replace(/;\s*$/, ''), ...statements, 'commit'].join(';\n');
    for (let attempt = 1; ; attempt += 1) {
      try {
        await client.query(script);
        return;
      } catch (error) {
        await client.query('rollback');
        if (!isCollision(error) || attempt === ATTEMPTS) throw error;
        await delay(PAUSE_MS * attempt);
      }
    }
  } finally {
    await client.end();
  }
}
