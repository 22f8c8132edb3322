import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, startEmbeddedPostgres, TokenStore, type EmbeddedPostgres } from '@understudy/runtime';
import { eventually } from '@understudy/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ServiceProcess } from './service-process.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const PASSWORD = 'a-password-that-nobody-logs';

interface Report {
  readonly status: string;
  readonly parts: Readonly<Record<string, { readonly status: string; readonly reason?: string }>>;
}

describe('a service as a process of its own', () => {
  let folder: string;
  let postgres: EmbeddedPostgres;
  let url: string;
  let env: Readonly<Record<string, string>>;
  const started: ServiceProcess[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(realpathSync(tmpdir()), 'understudy-process-'));
    chmodSync(folder, 0o711);
    postgres = await startEmbeddedPostgres({ dataFolder: join(folder, 'store'), fsync: false });
    const role = new URL(postgres.adminConnectionString());
    role.username = 'understudy_drift';
    role.password = PASSWORD;
    url = role.href;
    const tokens = join(folder, 'tokens.json');
    await new TokenStore(tokens).ensureFirstAdmin(join(folder, 'admin-token'));
    // Nobody listens there: the bus is away from the beginning to the end.
    env = { STORE_URL: url, TOKENS_FILE: tokens, KAFKA_BROKERS: `127.0.0.1:${await freePort()}` };
  });

  afterAll(async () => {
    await Promise.all(started.map((process) => process.kill()));
    await postgres.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  function drift(name: string, settings: Readonly<Record<string, string>> = {}): ServiceProcess {
    const made = new ServiceProcess({
      service: 'drift',
      name,
      env: { ...env, ...settings },
      logFile: join(folder, `${name}.log`),
    });
    started.push(made);
    return made;
  }

  function command(program: string, args: readonly string[], given: Readonly<Record<string, string>>) {
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, program), ...args], {
      encoding: 'utf8',
      env: given,
    });
    return { status, said: `${stdout}${stderr}` };
  }

  async function ready(rest: string): Promise<{ readonly code: number; readonly report: Report }> {
    const answer = await fetch(new URL('/health/ready', rest));
    return { code: answer.status, report: (await answer.json()) as Report };
  }

  it('names every wrong setting at once and no secret, and ends', () => {
    const given = { STORE_URL: 'mysql://u:geheim@h/d', KAFKA_BROKERS: 'nowhere', LISTEN_PORT: '70000' };
    const { status, said } = command('services/drift/dist/main.js', [], given);
    expect(status).toBe(2);
    for (const name of [
      'STORE_URL must be a URL',
      'KAFKA_BROKERS must be a list',
      'LISTEN_PORT must be a whole number',
      'TOKENS_FILE is not set',
    ])
      expect(said).toContain(name);
    expect(said).not.toContain('geheim');
  });

  it('does not listen beyond this machine in clear', () => {
    const { status, said } = command('services/drift/dist/main.js', [], { ...env, LISTEN_HOST: '0.0.0.0' });
    expect(status).toBe(2);
    expect(said).toContain('TLS_CERT_FILE');
  });

  it('refuses a schema without its migrations, and names them; the owner’s command applies them, and it serves', async () => {
    const roles = { OWNER_URL: postgres.adminConnectionString(), DRIFT_PASSWORD: PASSWORD };
    expect(command('services/notification/dist/migrate.js', ['--roles'], roles).said).toContain(
      'the password of understudy_drift set',
    );
    const early = drift('early');
    await expect(early.start()).rejects.toThrow(
      /The schema drift is older than this program: event-log\/0001_log\.sql: not applied yet/,
    );
    const owner = { OWNER_URL: postgres.adminConnectionString() };
    expect(command('services/drift/dist/migrate.js', [], owner).said).toContain('drift: applied event-log/0001_log.sql');
    expect(command('services/drift/dist/migrate.js', [], owner)).toEqual({ status: 0, said: 'drift: up to date\n' });
    await early.start();
    expect(await early.stop()).toBe(0);
  }, 60_000);

  it('serves while the bus is away, and says so: ready, degraded, with the reason', async () => {
    const process = drift('without-a-bus');
    await process.start();
    await eventually(
      'the bus is missed',
      async () => (await ready(process.rest)).report.parts['bus']?.status === 'degraded',
      30_000,
    );
    const { code, report } = await ready(process.rest);
    expect(code).toBe(200);
    expect(report).toMatchObject({
      status: 'degraded',
      parts: { store: { status: 'ok' }, bus: { reason: expect.stringMatching(/drift/) } },
    });
    const metrics = await (await fetch(new URL('/metrics', process.rest))).text();
    expect(metrics).toMatch(/^understudy_leases\{state="alive",service="drift"\} 1$/m);
    expect(metrics).toMatch(
      /^understudy_transport_lag_events\{group="relay\/kafka",topic="understudy\.drift\.v1",service="drift"\} 0$/m,
    );
    expect(await process.stop()).toBe(0);
    expect(process.log()).not.toContain(PASSWORD);
  }, 60_000);

  it('waits for a store that is away, alive and not ready with the reason, and serves when it comes', async () => {
    await postgres.stop();
    const late = drift('late');
    const serving = late.start();
    serving.catch(() => undefined);
    const room = (): string | undefined => /"rest":"([^"]+)","msg":"waiting for the store"/.exec(late.log())?.[1];
    await eventually('it waits', () => room() !== undefined, 30_000);
    const address = room() ?? '';
    expect((await fetch(new URL('/health/live', address))).status).toBe(200);
    const { code, report } = await ready(address);
    expect(code).toBe(503);
    expect(report.parts['store']?.reason).toMatch(/^the store does not answer: .*ECONNREFUSED/);
    postgres = await startEmbeddedPostgres({ dataFolder: join(folder, 'store'), fsync: false, port: postgres.port });
    await serving;
    expect((await ready(late.rest)).report.parts['store']).toEqual({ status: 'ok' });
    await postgres.stop();
    expect((await ready(late.rest)).code).toBe(503);
    expect(await late.stop()).toBe(0);
  }, 60_000);

  it('gives a store up after STORE_WAIT_MS', async () => {
    await expect(drift('impatient', { STORE_WAIT_MS: '500' }).start()).rejects.toThrow(
      /ended before it served.*Waited 500 ms \(STORE_WAIT_MS\)/s,
    );
  }, 30_000);
});
