import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { build, eventually, killBelow, processesBelow, testHost, type TestHost } from '@understudy/testing';
import { createProbe } from './job-probe.js';
import type { ProbeReading, ProbeResult, ProbeSpec } from './probe.js';

const fence = { logId: 'log-1', epoch: 1 };
const probe = createProbe();

beforeAll(() => build('libs/probe'));

/** A service that can go away and come back on one port. */
class Service {
  private readonly sockets = new Set<Socket>();
  private server: Server | undefined;
  port = 0;

  constructor(private readonly make: () => Server) {}

  async up(): Promise<void> {
    this.server = this.make();
    this.server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => this.sockets.delete(socket));
    });
    this.server.listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = (this.server.address() as { port: number }).port;
  }

  async down(): Promise<void> {
    const server = this.server;
    this.server = undefined;
    if (!server) return;
    const closed = once(server, 'close');
    server.close();
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }
}

describe('probe as a detached job', () => {
  let test: TestHost;
  let service: Service;
  const spec = (more: Partial<ProbeSpec> = {}): ProbeSpec => ({
    kind: 'tcp',
    targets: [`127.0.0.1:${service.port}`],
    intervalMs: 20,
    timeoutMs: 500,
    limitMs: 60_000,
    ...more,
  });
  const reading = (result: ProbeResult): ProbeReading => {
    if (result.status !== 'measured') throw new Error(`${result.reason} since ${result.sinceMs}`);
    return result;
  };
  const operations = async (count: number): Promise<void> =>
    eventually(`${count} more operations`, async () => reading(await probe.read(test.host, 'probe-1')).operations >= count);

  beforeEach(async () => {
    test = testHost();
    service = new Service(() => createServer((socket) => socket.end()));
    await service.up();
  });
  afterEach(async () => {
    await service.down();
    await test.remove();
  });

  it('measures a service that went away, from outside and through a second opening of the host', async () => {
    expect(await probe.start(test.host, 'probe-1', fence, spec())).toEqual({ status: 'started' });
    expect(await probe.start(test.again(), 'probe-1', fence, spec())).toEqual({ status: 'known' });
    await operations(20);
    const fromMs = Date.now();
    await service.down();
    await delay(300);
    await service.up();
    const toMs = Date.now();
    await eventually('the gap has ended', async () =>
      reading(await probe.read(test.again(), 'probe-1')).interruptions.some((gap) => gap.toMs < Date.now() - 100),
    );
    const stopped = reading(await probe.stop(test.host, 'probe-1'));
    expect(stopped.interruptions.filter((gap) => gap.failedOperations > 0)).toHaveLength(1);
    const [gap] = stopped.interruptions.filter((one) => one.failedOperations > 0);
    expect(gap?.durationMs).toBeGreaterThan(290);
    expect(Math.abs((gap?.fromMs ?? 0) - fromMs)).toBeLessThan(150);
    expect((gap?.toMs ?? 0) - toMs).toBeLessThan(1_000);
    expect(stopped).toMatchObject({ lostWrites: null, lostWritesReason: 'this probe does not write' });
    expect(reading(await probe.stop(test.host, 'probe-1'))).toEqual(stopped);
  });

  it('says not measured from the moment on at which it was killed', async () => {
    await probe.start(test.host, 'probe-1', fence, spec());
    await operations(20);
    const startedMs = reading(await probe.read(test.host, 'probe-1')).fromMs;
    await killBelow(test.root);
    const killedMs = Date.now();
    const result = await probe.read(test.host, 'probe-1', { fromMs: startedMs, toMs: killedMs + 2_000 });
    expect(result).toMatchObject({ status: 'not-measured', reason: 'the probe ended without being asked' });
    if (result.status === 'not-measured') expect(Math.abs(result.sinceMs - killedMs)).toBeLessThan(1_500);
    expect(await probe.stop(test.host, 'probe-1')).toMatchObject({ status: 'not-measured' });
  });

  it('ends itself at its limit', async () => {
    await probe.start(test.host, 'probe-1', fence, spec({ limitMs: 500 }));
    await eventually('nothing runs', () => processesBelow(test.root).length === 0);
    expect(reading(await probe.read(test.host, 'probe-1')).operations).toBeGreaterThan(5);
    expect(await probe.read(test.host, 'probe-1', { fromMs: Date.now() - 100, toMs: Date.now() + 60_000 })).toMatchObject({
      status: 'not-measured',
      reason: 'the probe was stopped',
    });
  });

  it('goes to the next target when the first does not answer, by its own timeout', async () => {
    const silent = new Service(() => createHttpServer(() => undefined));
    await silent.up();
    const answering = new Service(() => createHttpServer((_, response) => response.writeHead(204).end()));
    await answering.up();
    const targets = [`http://127.0.0.1:${silent.port}/`, `http://127.0.0.1:${answering.port}/`];
    await probe.start(test.host, 'probe-1', fence, spec({ kind: 'http', targets, timeoutMs: 200 }));
    await operations(10);
    const result = reading(await probe.stop(test.host, 'probe-1'));
    expect(result.failedOperations).toBe(0);
    expect(result.longestMs).toBeGreaterThan(190);
    expect(result.longestMs).toBeLessThan(2_000);
    await silent.down();
    await answering.down();
  });

  it('does not take an error page or a redirect for a success', async () => {
    const failing = new Service(() => createHttpServer((_, response) => response.writeHead(503).end()));
    await failing.up();
    await probe.start(test.host, 'probe-1', fence, spec({ kind: 'http', targets: [`http://127.0.0.1:${failing.port}/`] }));
    await operations(3);
    const result = reading(await probe.stop(test.host, 'probe-1'));
    expect(result.failedOperations).toBe(result.operations);
    expect(readFileSync(join(test.root, '.understudy/v1/jobs/probe-1/log'), 'utf8')).toContain(' http-503\n');
    await failing.down();
  });

  it.each([
    [{ kind: 'ping' as ProbeSpec['kind'] }, '"ping" is not a kind of probe'],
    [{ targets: [] }, 'there is no target to probe'],
    [{ targets: ['localhost'] }, '"localhost" is no target for tcp; give host:port'],
    [{ targets: ['a:99999'] }, '"a:99999" is no target for tcp'],
    [{ kind: 'http' as const, targets: ['ftp://x'] }, '"ftp://x" is no target for http; give a http(s) URL'],
    [{ kind: 'sql-write' as const, table: 'a; drop table b' }, 'is not a plain table name'],
    [{ kind: 'sql-write' as const }, '"" is not a plain table name'],
    [{ intervalMs: 0 }, 'intervalMs is 0; it must be at least 1'],
  ])('does not start with %j, and says why', async (change, message) => {
    const result = await probe.start(test.host, 'probe-1', fence, spec({ ...change, password: 'planted' }));
    expect(result).toEqual({ status: 'unknown', reason: expect.stringContaining(message) as string });
    expect(JSON.stringify(result)).not.toContain('planted');
  });

  it('does not start for an orchestrator that is no longer the owner', async () => {
    await test.host.journal.raise({ logId: 'log-1', epoch: 9 }, 10_000);
    expect(await probe.start(test.host, 'probe-1', fence, spec())).toMatchObject({
      status: 'unknown',
      reason: expect.stringContaining('epoch 9 of log log-1') as string,
    });
    expect(await probe.read(test.host, 'probe-1')).toMatchObject({ status: 'not-measured', reason: 'no probe was started' });
  });

  it('has its password in no file, argument, environment or answer', async () => {
    const password = `planted-${process.pid}`;
    const sql = spec({ kind: 'sql-read', user: 'u', database: 'd', password });
    expect(await probe.start(test.host, 'probe-1', fence, sql)).toEqual({ status: 'started' });
    await operations(3);
    for (const pid of processesBelow(test.root)) {
      expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8') + readFileSync(`/proc/${pid}/environ`, 'utf8')).not.toContain(password);
    }
    const found = await test.host.access.run({ argv: ['grep', '-rlF', password, '.'], deadlineMs: 10_000 });
    expect(found).toMatchObject({ status: 'exited', code: 1, stdout: '' });
    expect(JSON.stringify(await probe.stop(test.host, 'probe-1'))).not.toContain(password);
    expect(statSync(join(test.root, '.understudy')).mode & 0o077).toBe(0);
  });
});
