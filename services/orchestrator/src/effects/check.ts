import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import type { CheckResult } from '@understudy/cluster';
import type { PlaybookCheck } from '@understudy/orchestrator-domain';
import { clientPlace } from './client-place.js';
import { messageOf } from './perform.js';
import type { OpenCluster } from './targets.js';

const MAX_OUTPUT_BYTES = 64 * 1024;
const GROUP_OR_OTHER_MAY_WRITE = 0o022;

/**
 * Runs one check of a playbook from this process. A check only looks: SQL runs as the probe's user in a read-only
 * transaction, HTTP is a GET that follows nothing, a command comes from the admin's folder by name and digest.
 */
export function checkRunner(commandsFolder: string | undefined) {
  return async (open: OpenCluster, check: PlaybookCheck, node: string, deadlineMs: number): Promise<CheckResult> => {
    try {
      const seen = await look(open, check, node, { commandsFolder, deadlineMs });
      const passed = seen === check.expect;
      return {
        check: check.name,
        node,
        passed,
        detail: passed
          ? `answered ${check.expect}`
          : `answered ${JSON.stringify(seen)}, expected ${JSON.stringify(check.expect)}`,
      };
    } catch (error) {
      return { check: check.name, node, passed: null, detail: `could not be evaluated: ${messageOf(error)}` };
    }
  };
}

interface CheckContext {
  readonly commandsFolder: string | undefined;
  readonly deadlineMs: number;
}

function look(open: OpenCluster, check: PlaybookCheck, node: string, context: CheckContext): Promise<string> {
  switch (check.kind) {
    case 'sql':
      return sql(open, check.sql, node, context.deadlineMs);
    case 'http':
      return http(check.url, context.deadlineMs);
    case 'command':
      return command(check, node, context);
  }
}

async function sql(open: OpenCluster, text: string, node: string, deadlineMs: number): Promise<string> {
  const { definition, secrets } = open.target;
  const found = definition.nodes.find((candidate) => candidate.slug === node);
  if (found === undefined) throw new Error(`the cluster has no node ${node}`);
  const client = new pg.Client({
    ...clientPlace(open, found),
    database: definition.settings['database'],
    user: secrets['probe']?.user,
    password: secrets['probe']?.password,
    connectionTimeoutMillis: deadlineMs,
    query_timeout: deadlineMs,
    statement_timeout: deadlineMs,
  });
  client.on('error', () => undefined);
  await client.connect();
  try {
    await client.query('begin read only');
    const { rows } = await client.query<unknown[]>({ text, rowMode: 'array' });
    return String(rows[0]?.[0] ?? '');
  } finally {
    await client.end();
  }
}

/** The status code; redirects are not followed. */
async function http(url: string, deadlineMs: number): Promise<string> {
  const answer = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(deadlineMs) });
  await answer.body?.cancel();
  return String(answer.status);
}

async function command(check: Extract<PlaybookCheck, { kind: 'command' }>, node: string, context: CheckContext): Promise<string> {
  if (context.commandsFolder === undefined) throw new Error('no commands folder is set up; an admin sets COMMANDS_FOLDER');
  if (basename(check.command) !== check.command) throw new Error('a command is named, never addressed by a path');
  const path = join(context.commandsFolder, check.command);
  const { mode } = await stat(path);
  if ((mode & GROUP_OR_OTHER_MAY_WRITE) !== 0) throw new Error(`${check.command} may be written by others than its owner`);
  const digest = createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
  if (digest !== check.digest)
    throw new Error(`${check.command} has the digest ${digest}, the playbook was written for ${check.digest}`);
  const { stdout } = await promisify(execFile)(path, [node], {
    timeout: context.deadlineMs,
    maxBuffer: MAX_OUTPUT_BYTES,
    env: { LC_ALL: 'C' },
  });
  return stdout.trim();
}
