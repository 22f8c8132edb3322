/** A booted rim for API tests: private files, a free port, one token per role. Specs only. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROLES, bootHttp, createRuntime } from '@understudy/runtime';
import type request from 'supertest';
import { expect } from 'vitest';
import type { Companion, HttpServer, Role, Runtime, RuntimeOptions } from '@understudy/runtime';

export interface TestRuntime {
  readonly runtime: Runtime;
  /** Authorization header by role; the subject is the role's name. */
  readonly bearer: Readonly<Record<Role, string>>;
  /** A further person: `await bearerOf('anna', 'approver')`. */
  bearerOf(subject: string, role: Role): Promise<string>;
  readonly folder: string;
  /** Removes the folder. */
  remove(): void;
}

export async function testRuntime(options: Partial<RuntimeOptions> = {}): Promise<TestRuntime> {
  const folder = mkdtempSync(join(tmpdir(), 'understudy-rim-'));
  const runtime = createRuntime({
    service: 'test',
    logLevel: 'silent',
    tokensFile: join(folder, 'tokens.json'),
    credentialsFile: join(folder, 'credentials.json'),
    ...options,
  });
  const bearerOf = async (subject: string, role: Role): Promise<string> =>
    `Bearer ${(await runtime.tokens.create({ subject, role })).token}`;
  const bearer: Partial<Record<Role, string>> = {};
  for (const role of ROLES) bearer[role] = await bearerOf(role, role);
  return {
    runtime,
    bearer: bearer as Record<Role, string>,
    bearerOf,
    folder,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Boots modules on a free loopback port. `supertest(server.url)` speaks to it; the caller closes it. */
export function testServer(
  modules: Parameters<typeof bootHttp>[0],
  { runtime }: TestRuntime,
  companions: readonly Companion[] = [],
): Promise<HttpServer> {
  return bootHttp(modules, runtime, { host: '127.0.0.1', port: 0 }, companions);
}

/** The answer is a problem document of this code, with a stable type and a trace id. */
export function expectProblem(response: request.Response, status: number, code: string): void {
  expect(response.headers['content-type']).toContain('application/problem+json');
  expect(response.body).toMatchObject({
    status,
    code,
    type: `urn:understudy:problem:${code.toLowerCase().replaceAll('_', '-')}`,
  });
  expect(response.body.traceId).toMatch(/^[0-9a-f]{32}$/);
  expect(response.status).toBe(status);
}
