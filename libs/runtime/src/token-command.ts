/** `understudy token create|revoke|list`: the logic; the program that calls it gives it its arguments and its output. */
import { existsSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { writePrivateFile } from './private-file.js';
import { DEFAULT_TOKEN_DAYS, ROLES } from './tokens.js';
import type { Role, TokenStore } from './tokens.js';

export const TOKEN_HELP = `understudy token create --subject NAME --role ${ROLES.join('|')} [--days ${DEFAULT_TOKEN_DAYS}] [--out FILE]
understudy token revoke ID
understudy token list

The token's text is printed once, by create, and stored nowhere; with --out it goes to a file that only its owner can read, and where
that file holds a token that is still good for a week nothing is done. Running services see a change with the next request.
`;

/** A token in a file is made anew when it has less than a week left. */
const RENEW_BEFORE_MS = 7 * 24 * 3_600_000;

/** Answers the exit code: 0 done, 1 refused, 2 used wrongly. `print` gets whole lines. */
export async function tokenCommand(tokens: TokenStore, args: readonly string[], print: (text: string) => void): Promise<number> {
  const [verb, ...rest] = args;
  try {
    switch (verb) {
      case 'create':
        return await create(tokens, rest, print);
      case 'revoke':
        return await revoke(tokens, rest, print);
      case 'list':
        return list(tokens, print);
      default:
        print(TOKEN_HELP);
        return verb === '--help' ? 0 : 2;
    }
  } catch (error) {
    print(`${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

async function create(tokens: TokenStore, args: readonly string[], print: (text: string) => void): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: { subject: { type: 'string' }, role: { type: 'string' }, days: { type: 'string' }, out: { type: 'string' } },
  });
  const role = ROLES.find((known): known is Role => known === values.role);
  if (values.subject === undefined || role === undefined) {
    print(TOKEN_HELP);
    return 2;
  }
  if (values.out !== undefined && holdsGoodToken(tokens, values.out)) {
    print(`${values.out} is there already, and good; no token was made.\n`);
    return 0;
  }
  const { token, record } = await tokens.create({
    subject: values.subject,
    role,
    ...(values.days === undefined ? {} : { days: Number(values.days) }),
  });
  if (values.out === undefined) print(`${token}\n`);
  else writePrivateFile(values.out, `${token}\n`);
  print(`id ${record.id}, ${record.role} ${record.subject}, until ${record.expiresAt}\n`);
  return 0;
}

function holdsGoodToken(tokens: TokenStore, file: string): boolean {
  if (!existsSync(file)) return false;
  const check = tokens.check(readFileSync(file, 'utf8').trim());
  return check.valid && Date.parse(check.token.expiresAt) > Date.now() + RENEW_BEFORE_MS;
}

async function revoke(tokens: TokenStore, args: readonly string[], print: (text: string) => void): Promise<number> {
  const [id] = args;
  if (id === undefined) {
    print(TOKEN_HELP);
    return 2;
  }
  const record = await tokens.revoke(id);
  print(
    record === undefined
      ? `There is no token ${id}; see \`understudy token list\`.\n`
      : `revoked ${record.id} of ${record.subject}\n`,
  );
  return record === undefined ? 1 : 0;
}

function list(tokens: TokenStore, print: (text: string) => void): number {
  for (const token of tokens.list()) {
    const state = token.revokedAt === undefined ? `until ${token.expiresAt}` : `revoked ${token.revokedAt}`;
    print(`${token.id}  ${token.role.padEnd(8)}  ${token.subject}  ${state}\n`);
  }
  return 0;
}
