import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { SshAccessDefinition, SshPlace } from '@understudy/cluster';
import { eventually, killBelow, processesBelow } from '@understudy/testing';
import { afterEach, describe, expect, it } from 'vitest';
import type { CommandResult, HostAccess } from '../access.js';
import { hostAccessContract } from '../contract.js';
import type { Host } from '../../host.js';
import type { JobState } from '../../jobs.js';
import { openHost } from '../../open-host.js';
import { linksTo, rootFolder, SshServer, type SshServerOptions } from './fixtures/contract.js';
import { FramedOutput } from './framed-output.js';
import type { SshLinks } from './links.js';
import { SshAccess } from './ssh.js';

const DEADLINE_MS = 20_000;
const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

interface Reached {
  readonly server: SshServer;
  readonly definition: SshAccessDefinition;
  readonly links: SshLinks;
  readonly access: HostAccess;
}

async function server(options: SshServerOptions = {}): Promise<SshServer> {
  const started = await SshServer.start(options);
  cleanups.push(() => started.stop());
  return started;
}

/** A host behind a server of its own, with a process that knows its key. */
async function reached(
  more: {
    readonly options?: SshServerOptions;
    readonly knownHosts?: (of: SshServer) => string;
    readonly place?: Partial<SshPlace>;
  } = {},
): Promise<Reached> {
  const host = await server(more.options);
  const links = linksTo(() => (more.knownHosts ?? ((of) => of.knownHostsLine))(host));
  const folder = rootFolder();
  const definition: SshAccessDefinition = { kind: 'ssh', root: folder.root, ...host.place, ...more.place };
  const access = new SshAccess('db1', definition, links);
  cleanups.push(async () => {
    await access.close();
    links.close();
    await killBelow(folder.root);
    folder.remove();
  });
  return { server: host, definition, links, access };
}

const run = (access: HostAccess, argv: readonly [string, ...string[]], deadlineMs = DEADLINE_MS): Promise<CommandResult> =>
  access.run({ argv, deadlineMs });

hostAccessContract('ssh', async () => {
  const { access } = await reached({ options: { greeting: 'Welcome to db1\\nLast login: never\\n' } });
  return { access, remove: async () => undefined };
});

describe('ssh access', () => {
  it('uses one connection for all commands, and makes another after the link was lost', async () => {
    const { access, server: host } = await reached();
    await Promise.all(Array.from({ length: 20 }, () => run(access, ['true'])));
    expect(host.logins).toBe(1);
    const underWay = run(access, ['sh', '-c', 'touch begun; sleep 300']);
    await eventually('it has begun', () => existsSync(join(access.root, 'begun')));
    host.cut();
    expect(await underWay).toEqual({ status: 'unknown', reason: 'the link was lost while the command ran' });
    expect(await run(access, ['true'])).toMatchObject({ status: 'exited', code: 0 });
    expect(host.logins).toBe(2);
  });

  it('has the host end a command at its deadline, though the link was lost before', async () => {
    const { access, server: host } = await reached();
    const underWay = run(access, ['sh', '-c', 'sleep 300 & touch begun; wait'], 2_000);
    await eventually('it has begun', () => existsSync(join(access.root, 'begun')));
    host.cut();
    expect((await underWay).status).toBe('unknown');
    expect(processesBelow(access.root).length).toBeGreaterThan(0);
    await eventually('the host has ended it', () => processesBelow(access.root).length === 0);
  });

  it('answers unknown at the deadline when the host says nothing more', async () => {
    const { access, server: host } = await reached();
    await run(access, ['true']);
    host.goSilent();
    expect(await run(access, ['true'], 500)).toMatchObject({ status: 'unknown' });
  });

  it.each<[string, (of: SshServer, other: SshServer) => string]>([
    ['Nobody has vouched', () => ''],
    ['has changed: it offers', (of, other) => other.knownHostsLine.replace(`:${other.port}`, `:${of.port}`)],
  ])('sends nothing to a host whose key is not the known one: %s', async (reason, lineOf) => {
    const other = await server();
    const { access, server: host } = await reached({ knownHosts: (of) => lineOf(of, other) });
    const answer = await run(access, ['touch', 'touched']);
    expect(answer).toMatchObject({ status: 'unknown', reason: expect.stringContaining(reason) as string });
    expect(answer).toMatchObject({ reason: expect.stringContaining(host.fingerprint) as string });
    expect([host.logins, existsSync(join(access.root, 'touched'))]).toEqual([0, false]);
  });

  it('trusts a pinned key without a known hosts file, and no other one', async () => {
    const folder = rootFolder();
    cleanups.push(() => folder.remove());
    const host = await server({ keyType: 'ecdsa' });
    const links = linksTo(() => '');
    cleanups.push(() => links.close());
    const pinned = (hostKeys: readonly string[]): HostAccess =>
      new SshAccess('db1', { kind: 'ssh', root: folder.root, ...host.place, hostKeys }, links);
    expect(await run(pinned([host.fingerprint]), ['true'])).toMatchObject({ code: 0 });
    const stale = `SHA256:${'A'.repeat(43)}`;
    const answer = await run(pinned([stale]), ['true']);
    for (const fingerprint of [stale, host.fingerprint])
      expect(answer).toMatchObject({ status: 'unknown', reason: expect.stringContaining(fingerprint) as string });
  });

  it('goes through jump hosts, each with its own key, over one connection to each', async () => {
    const [first, second] = [await server(), await server({ keyType: 'ecdsa' })];
    const { server: host, definition } = await reached();
    const lines = [first, second, host].map(({ knownHostsLine }) => knownHostsLine).join('');
    const links = linksTo(() => lines);
    cleanups.push(() => links.close());
    const behind = (root: string): HostAccess =>
      new SshAccess('db1', { ...definition, root, jumps: [first.place, second.place] }, links);
    const one = behind(definition.root);
    expect(await run(one, ['pwd', '-P'])).toMatchObject({ code: 0, stdout: `${definition.root}\n` });
    expect(await run(behind('/'), ['true'])).toMatchObject({ code: 0 });
    expect([first, second, host].map(({ logins }) => logins)).toEqual([1, 1, 1]);
    first.cut();
    await eventually('it is reached again', async () => (await run(one, ['true'])).status === 'exited');
    expect([first, second, host].map(({ logins }) => logins)).toEqual([2, 2, 2]);
  });

  it('says that nothing was started when it is not let in, when the root is missing, when the arguments are too long', async () => {
    const { access, definition, links } = await reached();
    const notStarted = async (other: HostAccess, argv: readonly [string, ...string[]], why: string): Promise<void> =>
      expect(await run(other, argv)).toEqual({
        status: 'unknown',
        reason: expect.stringMatching(`^the command was not started: .*${why}`) as string,
      });
    await notStarted(new SshAccess('db1', { ...definition, user: 'somebody' }, links), ['true'], 'authentication');
    await notStarted(new SshAccess('db1', { ...definition, port: 1 }, links), ['true'], 'ECONNREFUSED');
    await notStarted(new SshAccess('db1', { ...definition, root: '/nonexistent/root' }, links), ['true'], 'nonexistent');
    await notStarted(access, ['echo', 'x'.repeat(130_000)], 'too long');
  });

  it('carries a host’s journal and its detached jobs, which another process finds again', async () => {
    const { definition, server: host } = await reached();
    const open = (): Host => {
      const ssh = linksTo(() => host.knownHostsLine);
      cleanups.push(() => ssh.close());
      return openHost({ slug: 'db1', access: definition, patching: {} }, { ssh });
    };
    const fence = { logId: 'log-1', epoch: 5 };
    const script = 'while [ ! -e go ]; do sleep 0.05; done; echo done; exit 6';
    const started = await open().jobs.start({ jobId: 'job-1', fence, argv: ['sh', '-c', script], limitMs: 60_000 });
    expect(started).toEqual({ status: 'started' });
    host.cut();
    expect(await open().jobs.state('job-1', DEADLINE_MS)).toMatchObject({ status: 'running' });
    expect(await open().jobs.start({ jobId: 'job-1', fence, argv: ['true'], limitMs: 1_000 })).toEqual({ status: 'known' });
    await run(open().access, ['touch', 'go']);
    const state = (): Promise<JobState> => open().jobs.state('job-1', DEADLINE_MS);
    await eventually('the job has ended', async () => (await state()).status !== 'running');
    expect(await state()).toMatchObject({ status: 'exited', code: 6 });
    expect(await open().journal.raise({ ...fence, epoch: 6 }, DEADLINE_MS)).toMatchObject({ status: 'raised' });
    const late = { jobId: 'job-2', fence, argv: ['touch', 'touched'], limitMs: 1_000 } as const;
    expect(await open().jobs.start(late)).toMatchObject({ status: 'fenced', seen: { epoch: 6 } });
  });
});

describe('framed output', () => {
  it('is the same however it is cut into pieces', () => {
    const whole = Buffer.from('noise MARK not yet MARK<\nsaid MARK<\nMAR MARK K\nMARK>127\nafterwards');
    for (let size = 1; size <= whole.length; size += 1) {
      const output = new FramedOutput('MARK', 1_000);
      for (let at = 0; at < whole.length; at += size) output.take(whole.subarray(at, at + size));
      expect([output.text(), output.end, output.truncated]).toEqual(['said MARK<\nMAR MARK K\n', '127', false]);
    }
  });
});
