import { randomBytes } from 'node:crypto';
import { chmodSync, cpSync, mkdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ClusterDefinition, HaLayer, HostDefinition } from '@understudy/cluster';
import { give, run, unprivilegedAccount, type Account } from './account.js';
import { certificate } from './certificate.js';
import type { Login, PracticeCluster, PracticeNode, PracticeSecrets } from './model.js';
import { endPostgres, dataFolders } from './processes.js';
import { copyRelease, flipCurrent, linkRelease, releaseFolderName, type Release } from './releases.js';
import { bootScript, rebootScript } from './scripts.js';
import { boot, freePorts, until, withClient } from './server.js';
import { nodeSettings, sharedSettings, slotName, standbySettings, hostRules, prepareDatabase } from './settings.js';

/** What to build. Everything is made below `folder`, which must be new or empty and on a local disk. */
export interface PracticeRequest {
  /** Absolute path; every folder above it must be searchable by PostgreSQL's account. */
  readonly folder: string;
  /** Slug of the cluster (default `practice`); host and node slugs are `<cluster>-a`, `-b`, ... */
  readonly cluster?: string;
  /** The first is the one that runs at the beginning; the others lie installed beside it. At least one. */
  readonly releases: readonly [Release, ...Release[]];
  /** 1 (nothing to fail over to) to 8. The first is active, the others stream from it. */
  readonly nodes: number;
  readonly declaredHaLayer?: HaLayer;
}

const RUN_LIMIT_MS = 60_000;

/**
 * Builds a real PostgreSQL cluster with streaming replication, starts it and answers when every standby streams.
 * As root it runs under an existing unprivileged account. Nothing outlives `stop()` but files in the folder; after a
 * crash of the caller, `cleanUp(folder)` ends what was left.
 * @throws when the releases cannot run here or a node does not start; what was started is ended first.
 */
export async function buildPracticeCluster(request: PracticeRequest): Promise<PracticeCluster> {
  if (!Number.isInteger(request.nodes) || request.nodes < 1 || request.nodes > 8) {
    throw new Error(`A practice cluster has 1 to 8 nodes, not ${request.nodes}.`);
  }
  const account = unprivilegedAccount();
  mkdirSync(request.folder, { recursive: true, mode: 0o755 });
  const folder = realpathSync(request.folder);
  try {
    const nodes = await layOut(request, folder, account);
    const cluster = describe(request, folder, nodes, account);
    await fill(cluster);
    return cluster;
  } catch (error) {
    await cleanUp(folder);
    throw error;
  }
}

/** Ends every PostgreSQL below a practice cluster's folder, whoever started it. Files stay. Idempotent. */
export async function cleanUp(folder: string): Promise<void> {
  await Promise.all(dataFolders(folder).map((data) => endPostgres(data)));
}

/** `cleanUp`, and the files are removed too. */
export async function removePracticeCluster(folder: string): Promise<void> {
  await cleanUp(folder);
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}

async function layOut(request: PracticeRequest, folder: string, account: Account | undefined): Promise<readonly PracticeNode[]> {
  const store = join(folder, '.releases');
  mkdirSync(store, { mode: 0o755 });
  const sources = request.releases.map((release) => ({ version: release.version, source: copyRelease(release, store) }));
  const ports = await freePorts(request.nodes);
  return ports.map((port, index) => {
    const slug = `${request.cluster ?? 'practice'}-${String.fromCharCode(97 + index)}`;
    const root = join(folder, slug);
    mkdirSync(join(root, 'releases'), { recursive: true, mode: 0o755 });
    for (const { version, source } of sources) linkRelease(source, join(root, 'releases', releaseFolderName(version)));
    flipCurrent(root, request.releases[0].version);
    for (const name of ['data', 'log', 'archive', 'etc']) {
      mkdirSync(join(root, name), { mode: 0o700 });
      give(account, join(root, name));
    }
    writeFileSync(join(root, 'boot_id'), randomBytes(16).toString('hex'));
    writeFileSync(join(root, 'autostart'), '');
    for (const [name, text] of [
      ['boot', bootScript],
      ['reboot', rebootScript],
    ] as const) {
      writeFileSync(join(root, name), text);
      chmodSync(join(root, name), 0o755);
    }
    return { slug, root, address: '127.0.0.1', port };
  });
}

function login(user: string): Login {
  return { user, password: randomBytes(24).toString('base64url') };
}

function describe(
  request: PracticeRequest,
  folder: string,
  nodes: readonly PracticeNode[],
  account: Account | undefined,
): PracticeCluster {
  const cluster = request.cluster ?? 'practice';
  const database = 'app';
  const secrets: PracticeSecrets = {
    driver: login('understudy'),
    probe: login('understudy_probe'),
    replication: login('replicator'),
    application: login('application'),
  };
  return {
    folder,
    account,
    definition: definitionOf(request, cluster, database, nodes),
    credentials: {
      [`${cluster}-driver`]: secrets.driver,
      [`${cluster}-probe`]: secrets.probe,
      [`${cluster}-replication`]: secrets.replication,
    },
    secrets,
    database,
    probeTable: 'understudy_probe.heartbeat',
    nodes,
    endpoints: nodes.map((node) => `${node.address}:${node.port}`),
    stop: () => cleanUp(folder),
  };
}

function definitionOf(
  request: PracticeRequest,
  cluster: string,
  database: string,
  nodes: readonly PracticeNode[],
): ClusterDefinition {
  return {
    slug: cluster,
    platform: 'postgres-streaming',
    environment: 'practice',
    ...(request.declaredHaLayer === undefined ? {} : { declaredHaLayer: request.declaredHaLayer }),
    workloads: [database],
    nodes: nodes.map((node) => ({
      slug: node.slug,
      host: node.slug,
      settings: {
        address: node.address,
        port: String(node.port),
        dataFolder: 'data',
        binFolder: 'current/bin',
        logFile: 'log/postgresql.log',
        service: 'pg_ctl',
        autostartFile: 'autostart',
      },
    })),
    hosts: [
      ...nodes.map(hostOf),
      {
        slug: `${cluster}-client`,
        access: { kind: 'local', root: clientRoot(realpathSync(request.folder), cluster) },
        patching: {},
      },
    ],
    credentials: { driver: `${cluster}-driver`, probe: `${cluster}-probe`, replication: `${cluster}-replication` },
    probeHost: `${cluster}-client`,
    settings: { database },
  };
}

function hostOf(node: PracticeNode): HostDefinition {
  return {
    slug: node.slug,
    access: { kind: 'local', root: node.root },
    patching: {
      release: { link: 'current', folder: 'releases', program: 'bin/postgres' },
      reboot: { command: 'reboot', bootIdFile: 'boot_id' },
    },
  };
}

/** The probe runs beside the cluster, as a client's machine would; the folder belongs to who builds. */
function clientRoot(folder: string, cluster: string): string {
  const root = join(folder, `${cluster}-client`);
  mkdirSync(root, { recursive: true, mode: 0o755 });
  return root;
}

async function fill(cluster: PracticeCluster): Promise<void> {
  const [first, ...others] = cluster.nodes as readonly [PracticeNode, ...PracticeNode[]];
  initialise(cluster, first);
  boot(first);
  await until(first, cluster.secrets.driver, 'postgres', 'select true');
  await prepareDatabase(cluster, first, others);
  await endCleanly(cluster, first);
  for (const node of others) copyData(cluster, first, node);
  for (const node of cluster.nodes) boot(node);
  for (const node of cluster.nodes) {
    await until(node, cluster.secrets.driver, cluster.database, 'select true');
  }
  const streaming = `select count(*) = ${others.length} from pg_stat_replication where state = 'streaming'`;
  await until(first, cluster.secrets.driver, cluster.database, streaming);
}

function initialise(cluster: PracticeCluster, node: PracticeNode): void {
  const passwordFile = join(node.root, 'etc', 'initdb.password');
  write(cluster.account, passwordFile, cluster.secrets.driver.password);
  const data = join(node.root, 'data');
  const flags = ['--no-sync', '--auth=scram-sha-256', '--encoding=UTF8', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  const args = ['-D', data, '-U', cluster.secrets.driver.user, `--pwfile=${passwordFile}`, '--wal-segsize=1', ...flags];
  run(join(node.root, 'current', 'bin', 'initdb'), args, { account: cluster.account, timeoutMs: RUN_LIMIT_MS });
  rmSync(passwordFile);
  write(cluster.account, join(data, 'postgresql.conf'), sharedSettings);
  write(cluster.account, join(data, 'node.conf'), nodeSettings(node));
  write(cluster.account, join(data, 'pg_hba.conf'), hostRules(cluster));
  const { key, cert } = certificate({ commonName: node.address, notBefore: new Date(), days: 3_650 });
  write(cluster.account, join(data, 'server.key'), key);
  write(cluster.account, join(data, 'server.crt'), cert);
  write(cluster.account, passfile(node), `*:*:*:${cluster.secrets.replication.user}:${cluster.secrets.replication.password}\n`);
}

function passfile(node: PracticeNode): string {
  return join(node.root, 'etc', 'replication.pgpass');
}

/** Copies the stopped data folder: the package brings no pg_basebackup. */
function copyData(cluster: PracticeCluster, from: PracticeNode, to: PracticeNode): void {
  const data = join(to.root, 'data');
  run('cp', ['-R', '-p', `${join(from.root, 'data')}/.`, data], { account: cluster.account, timeoutMs: RUN_LIMIT_MS });
  run('sh', ['-c', 'rm -rf "$0"/pg_replslot/*', data], { account: cluster.account, timeoutMs: RUN_LIMIT_MS });
  cpSync(passfile(from), passfile(to));
  give(cluster.account, passfile(to));
  write(cluster.account, join(data, 'node.conf'), nodeSettings(to));
  write(cluster.account, join(data, 'standby.signal'), '');
  const settings = standbySettings({ from, user: cluster.secrets.replication.user, passfile: passfile(to), node: to.slug });
  write(cluster.account, join(data, 'postgresql.auto.conf'), settings);
}

function write(account: Account | undefined, path: string, text: string): void {
  writeFileSync(path, text, { mode: 0o600 });
  give(account, path);
}

async function endCleanly(cluster: PracticeCluster, node: PracticeNode): Promise<void> {
  await withClient(node, cluster.secrets.driver, 'postgres', (client) => client.query('checkpoint'));
  const pgCtl = join(node.root, 'current', 'bin', 'pg_ctl');
  run(pgCtl, ['-D', join(node.root, 'data'), '-m', 'fast', '-w', '-t', '30', 'stop'], {
    account: cluster.account,
    timeoutMs: RUN_LIMIT_MS,
  });
}

export { slotName };
