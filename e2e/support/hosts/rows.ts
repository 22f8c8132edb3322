/** The table of platform and scenario: each row is judged from outside, and its raw logs are kept. */
import { execFile } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PATRONI_DATABASE, PATRONI_SECRETS } from '@understudy/testing/stand';
import type { WatchedRollout } from '../distributed/rollout.js';
import { REPOSITORY } from '../product.js';
import { JUDGE, LOAD_TABLE, type Room } from './room.js';

const JUDGE_LIMIT_MS = 120_000;

export interface Expected {
  readonly platform: string;
  readonly scenario: string;
  /** How the rollout has to end. */
  readonly result: string;
  /** What every host has at the end, by package. */
  readonly versions: Readonly<Record<string, string>>;
  /** The hosts that rebooted, and no others; left out: not judged. */
  readonly rebooted?: readonly string[];
  /** The platform failed over by itself: what is lost is told and not judged. */
  readonly mayLose?: true;
}

export interface Row {
  readonly platform: string;
  readonly scenario: string;
  readonly result: string;
  readonly acknowledged: number;
  readonly lost: number;
  readonly longestGapMs: number;
  /** What is not as it should be, in lines. */
  readonly differs: readonly string[];
}

/** By host. */
export type BootIds = Readonly<Record<string, string>>;

export async function bootIds(room: Room): Promise<BootIds> {
  const pairs = room.hosts.map(async (host) => [host.name, (await host.inside('cat /proc/sys/kernel/random/boot_id')).trim()]);
  return Object.fromEntries((await Promise.all(pairs)) as [string, string][]);
}

/** Ends the client, lets the judge look, and keeps what it looked at. The rollout is over. */
export async function judgedRow(room: Room, rollout: WatchedRollout, before: BootIds, expected: Expected): Promise<Row> {
  await room.endLoad();
  const events = await rollout.events();
  const result = String(events.find(({ type }) => type === 'RolloutClosed')?.body['result']);
  const file = join(room.folder, 'row.json');
  writeFileSync(
    file,
    JSON.stringify({
      ...expected,
      bootIds: before,
      scope: 'orders',
      hosts: room.hosts.map(({ name, address }) => ({ name, address })),
      ssh: { user: JUDGE, key: room.judgeKey, knownHosts: room.knownHosts },
      client: { ...PATRONI_SECRETS.client, database: PATRONI_DATABASE, table: LOAD_TABLE },
      ledger: room.ledger,
    }),
  );
  const judged = await promisify(execFile)(process.execPath, [join(REPOSITORY, 'e2e/hosts/judge.mjs'), file], {
    timeout: JUDGE_LIMIT_MS,
    maxBuffer: 16 * 1024 * 1024,
  }).catch((error: { readonly stdout?: string; readonly stderr?: string }) => error);
  const said = `${judged.stdout ?? ''}${judged.stderr ?? ''}`;
  keep(room, expected, { 'judged.txt': said, 'events.json': JSON.stringify(events, null, 1) });
  const differs = said.split('\n').filter((line) => line.startsWith('DIFFERS'));
  const figures = JSON.parse(/^\{.*\}$/m.exec(said)?.[0] ?? 'null') as Pick<Row, 'acknowledged' | 'lost' | 'longestGapMs'> | null;
  if (figures === null) throw new Error(`The judge could not look:\n${said}`);
  const { acknowledged, lost, longestGapMs } = figures;
  const wrong = result === expected.result ? [] : [`the rollout ended as ${result}, expected ${expected.result}`];
  const { platform, scenario } = expected;
  return { platform, scenario, result, acknowledged, lost, longestGapMs, differs: [...wrong, ...differs] };
}

/** Raw logs of a scenario, also of one that went wrong. */
export function keep(
  room: Room,
  { platform, scenario }: Pick<Expected, 'platform' | 'scenario'>,
  texts: Readonly<Record<string, string>>,
): void {
  const results = process.env['UNDERSTUDY_HOSTS_RESULTS'];
  if (results === undefined) return;
  const folder = join(results, `${platform}-${scenario}`);
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries(texts)) writeFileSync(join(folder, name), text);
  for (const file of [room.ledger, room.productLog])
    if (existsSync(file)) copyFileSync(file, join(folder, file.split('/').at(-1) as string));
}

/** For people. */
export function tableOf(rows: readonly Row[]): string {
  const cells = rows.map(({ platform, scenario, result, acknowledged, lost, longestGapMs, differs }) =>
    [
      platform,
      scenario,
      result,
      `${longestGapMs} ms`,
      `${lost} of ${acknowledged}`,
      differs.length === 0 ? 'agrees' : differs.join('; '),
    ].join(' | '),
  );
  return ['platform | scenario | result | longest gap | lost writes | the judge', ...cells].join('\n');
}
