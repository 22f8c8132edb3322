/**
 * One of the two servers of the benchmark `rest`, in a process of its own: `product` is the orchestrator behind its real
 * door, `bare` a Fastify route that inserts one row. Says its address (and token) on one line of stdout.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore } from '@understudy/event-log';
import { InProcessTransport } from '@understudy/messaging';
import { OrchestratorModule, type Peers } from '@understudy/orchestrator';
import { bootHttp, createRuntime } from '@understudy/runtime';
import { fastify } from 'fastify';
import pg from 'pg';

const POOL_SIZE = 16;
const nobody: Peers = { haLayer: async () => null, driftAssessment: async () => null, change: async () => null };

async function product(connectionString: string): Promise<object> {
  const folder = mkdtempSync(join(tmpdir(), 'understudy-bench-rest-'));
  const files = { tokensFile: join(folder, 'tokens.json'), credentialsFile: join(folder, 'credentials.json') };
  const runtime = createRuntime({ service: 'bench', logLevel: 'error', ...files });
  const { token } = await runtime.tokens.create({ subject: 'bench', role: 'operator' });
  const store = await openStore({ connectionString, schema: 'orchestrator' });
  const config = { runtime, store, connectionString, platforms: {}, commandsFolder: undefined };
  // The transport is not started: nobody else is in this process.
  const module = OrchestratorModule.forRoot(config, new InProcessTransport(), nobody);
  const server = await bootHttp([module], runtime, { host: '127.0.0.1', port: 0 });
  return { url: server.url, token, folder };
}

async function bare(connectionString: string): Promise<object> {
  const pool = new pg.Pool({ connectionString, max: POOL_SIZE });
  const app = fastify();
  app.post('/v1/patch-sets', async (request, reply) => {
    const values = [request.headers['idempotency-key'], JSON.stringify(request.body)];
    await pool.query({ name: 'insert', text: 'insert into bench_row (id, body) values ($1, $2)', values });
    return reply.code(201).send({ id: values[0] });
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const address = app.server.address();
  return { url: `http://127.0.0.1:${address !== null && typeof address === 'object' ? address.port : 0}`, token: '', folder: '' };
}

const [, , kind = '', connectionString = ''] = process.argv;
process.stdout.write(`${JSON.stringify(await (kind === 'product' ? product(connectionString) : bare(connectionString)))}\n`);
