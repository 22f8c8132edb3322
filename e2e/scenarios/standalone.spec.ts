/** `npm start`, from outside: one process, one folder, one address; gone without a trace when told to. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { processesNaming, REPOSITORY, startProduct, type RunningProduct } from '../support/index.js';

const base = mkdtempSync(join(tmpdir(), 'understudy-standalone-'));
chmodSync(base, 0o755);
const MAIN = join(REPOSITORY, 'services/standalone/dist/main.js');
let product: RunningProduct | undefined;

afterEach(async () => {
  await product?.stop();
  product = undefined;
});
afterAll(() => rmSync(base, { recursive: true, force: true }));

async function command(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { ...process.env, ...env },
    cwd: base,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  await once(child, 'close');
  return { code: child.exitCode, out, err };
}

async function status(
  running: RunningProduct,
  path: string,
  token = readFileSync(running.tokenFile, 'utf8').trim(),
): Promise<number> {
  const response = await fetch(new URL(path, running.address), { headers: { authorization: `Bearer ${token}` } });
  await response.arrayBuffer();
  return response.status;
}

describe('npm start', () => {
  it('serves on loopback with a token that only its owner can read, and says where', async () => {
    const data = join(base, 'one');
    product = await startProduct(data);
    expect(product.address).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(statSync(product.tokenFile).mode & 0o077).toBe(0);
    expect(product.log()).toContain(product.address);
    expect(product.log()).toContain(product.tokenFile);
    expect(await status(product, '/health/ready')).toBe(200);
    expect(await status(product, '/v1/rollouts')).toBe(200);
    expect(await status(product, '/v1/clusters')).toBe(200);
    expect(await status(product, '/v1/findings')).toBe(200);
    expect(await status(product, '/v1/subscriptions')).toBe(200);
    expect(await status(product, '/v1/rollouts', 'understudy_wrong')).toBe(401);

    const second = await command(['--data', data, '--port', '0']);
    expect(second.code).toBe(1);
    expect(second.err).toMatch(/in use by process \d+\..*--data/);
    expect(await status(product, '/health/ready')).toBe(200);
  });

  it('ends with SIGTERM: the store too, and the address is withdrawn', async () => {
    const data = join(base, 'two');
    product = await startProduct(data);
    product.process.kill('SIGTERM');
    await once(product.process, 'exit');
    expect(product.process.exitCode).toBe(0);
    expect(existsSync(join(data, 'address.json'))).toBe(false);
    expect(processesNaming(data)).toEqual([]);
  });

  it('killed, it starts again on what it left', async () => {
    const data = join(base, 'three');
    const first = await startProduct(data);
    first.process.kill('SIGKILL');
    await once(first.process, 'exit');
    product = await startProduct(data);
    expect(await status(product, '/v1/rollouts')).toBe(200);
    await product.stop();
    expect(processesNaming(data)).toEqual([]);
  });

  it('refuses to speak in clear with other machines', async () => {
    const { code, err } = await command(['--data', join(base, 'four'), '--host', '0.0.0.0', '--port', '0']);
    expect(code).toBe(1);
    expect(err).toMatch(/TLS_CERT_FILE/);
    expect(processesNaming(join(base, 'four'))).toEqual([]);
  });

  it('says what it does not understand, and lists its settings', async () => {
    expect((await command(['--data', base, '--verbose'])).code).toBe(2);
    const wrong = await command([], { LISTEN_PORT: 'x', LOG_LEVEL: 'loud' });
    expect(wrong.code).toBe(2);
    expect(wrong.err).toMatch(/LISTEN_PORT .*\n.*LOG_LEVEL /);
    expect((await command(['--help'])).out).toMatch(/STORE_URL[\s\S]*secret/);
  });

  it('makes and revokes tokens', async () => {
    const env = { DATA_FOLDER: join(base, 'tokens') };
    const made = await command(['token', 'create', '--subject', 'ada', '--role', 'operator'], env);
    expect(made.out).toMatch(/^understudy_\S{43}\n/);
    expect((await command(['token', 'list'], env)).out).toMatch(/operator\s+ada/);
  });
});
