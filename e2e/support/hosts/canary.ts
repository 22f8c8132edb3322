/** Secrets that are planted where the product reads, and looked for wherever it tells. */
import { readFileSync } from 'node:fs';
import { PATRONI_SECRETS } from '@understudy/testing/stand';
import type { WatchedRollout } from '../distributed/rollout.js';
import type { Room } from './room.js';

/** Said by a package's script, in the ways that programs say such things. */
const SAID = {
  'in a URL': 'canary-of-a-url',
  'in the environment': 'canary-of-the-environment',
  'among arguments': 'canary-of-an-argument',
  'in a connection string': 'canary-of-a-conninfo',
  'for keepalived': 'canary-of-keepalived',
  'for Sentinel': 'canary-of-sentinel',
} as const;

/** Shell lines for a package's script. */
export const SAY_SECRETS = [
  `echo 'connects to postgres://admin:${SAID['in a URL']}@db.example/orders'`,
  `echo 'runs PGPASSWORD=${SAID['in the environment']} psql'`,
  `echo 'runs migrate --admin-password ${SAID['among arguments']}'`,
  `echo "primary_conninfo host=db password='${SAID['in a connection string']}' user=u"`,
  `echo 'auth_pass ${SAID['for keepalived']}'`,
  `echo 'sentinel auth-pass orders ${SAID['for Sentinel']}'`,
].join('\n');

/** Every secret of the room with its name: what was planted, the logins of the cluster, and the key that opens the hosts. */
function secretsOf(room: Room): Readonly<Record<string, string>> {
  const logins = Object.entries(PATRONI_SECRETS).map(([name, { password }]) => [`the password of ${name}`, password]);
  const key = readFileSync(room.productKey, 'utf8').split('\n')[2] as string;
  return {
    ...SAID,
    ...(Object.fromEntries(logins) as Record<string, string>),
    'the password of the probe': 'of-the-probe',
    'the password in primary_conninfo': 'of-the-replicator',
    'the superuser’s password': 'of-postgres',
    'the private key': key,
  };
}

/**
 * Where a secret is told, in lines; empty: nowhere. Looked through is all that a reader, an auditor or an operator gets: events, plan,
 * report in three forms, findings, clusters, credentials, the exported log, the log of the process, and the files of the data folder.
 */
export async function leaks(room: Room, rollout: WatchedRollout): Promise<readonly string[]> {
  const texts = await tellings(room, rollout);
  return Object.entries(secretsOf(room)).flatMap(([what, secret]) =>
    Object.entries(texts).flatMap(([where, text]) => (text.includes(secret) ? [`${what}: ${where}`] : [])),
  );
}

async function tellings(room: Room, { rolloutId }: WatchedRollout): Promise<Readonly<Record<string, string>>> {
  const { rest } = room;
  const rollout = `/v1/rollouts/${rolloutId}`;
  const asked = [
    '/v1/clusters',
    '/v1/clusters/orders',
    '/v1/findings?cluster=orders',
    '/v1/credentials',
    rollout,
    `${rollout}/plan`,
    `${rollout}/events`,
  ];
  const pairs = asked.map(async (path) => [path, await rest.text(path, 'application/json')] as const);
  const forms = ['application/json', 'text/markdown', 'text/html'];
  const reports = forms.map(async (form) => [`report as ${form}`, await rest.text(`${rollout}/report`, form)] as const);
  return {
    ...Object.fromEntries(await Promise.all([...pairs, ...reports])),
    'the log of the process': readFileSync(room.productLog, 'utf8'),
    ...room.dataFiles(),
  };
}

/** What the product kept of the script's words, which has to be there: what was not read proves nothing. */
export async function saidOf(rollout: WatchedRollout): Promise<string> {
  const tails = (await rollout.events()).flatMap(({ body }) => {
    const evidence = body['evidence'] as { readonly tail?: string } | undefined;
    return evidence?.tail?.includes('auth_pass') === true ? [evidence.tail] : [];
  });
  return tails[0] ?? '';
}
