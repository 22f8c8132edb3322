/** The jars of the test broker: copied by Maven once per content of `deploy/kafka/pom.xml`, into a folder that git ignores. */
import { execFile } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const POM = join(ROOT, 'deploy/kafka/pom.xml');
const CACHE = join(ROOT, '.cache');
const COPY_LIMIT_MS = 300_000;
const VERSION_LIMIT_MS = 30_000;

/** `code` says what is missing; the message says what to do about it. */
export class BrokerUnavailable extends Error {
  override readonly name = 'BrokerUnavailable';
  constructor(
    readonly code: 'JAVA_MISSING' | 'MAVEN_FAILED' | 'BROKER_DID_NOT_START' | 'BROKER_DID_NOT_STOP',
    message: string,
  ) {
    super(message);
  }
}

const run = promisify(execFile);
let copied: Promise<string> | undefined;

/** Folder of the broker's jars. Throws `BrokerUnavailable` JAVA_MISSING or MAVEN_FAILED. */
export function brokerJars(): Promise<string> {
  copied ??= provide().catch((error: unknown) => {
    copied = undefined;
    throw error;
  });
  return copied;
}

async function provide(): Promise<string> {
  await mustRun('java', ['-version'], 'JAVA_MISSING', 'Apache Kafka needs Java 17 or later');
  const key = createHash('sha256').update(readFileSync(POM)).digest('hex').slice(0, 12);
  const folder = join(CACHE, `kafka-${key}`);
  if (existsSync(folder)) return folder;
  await mustRun('mvn', ['-v'], 'MAVEN_FAILED', 'The broker is fetched by Maven (3.6 or later) from Maven Central');
  mkdirSync(CACHE, { recursive: true });
  const beside = join(CACHE, `kafka-${randomUUID()}`);
  try {
    const goal = ['dependency:copy-dependencies', `-DoutputDirectory=${beside}`, '-DincludeScope=runtime'];
    await run('mvn', ['-q', '-B', '-f', POM, ...goal], { timeout: COPY_LIMIT_MS, maxBuffer: 16 * 1024 * 1024 });
    renameSync(beside, folder);
  } catch (error) {
    rmSync(beside, { recursive: true, force: true });
    // Another process was faster: the rename onto its folder failed, and its jars are the same.
    if (existsSync(folder)) return folder;
    const said = (error as { stdout?: string }).stdout?.trim().slice(-1_000) ?? '';
    throw new BrokerUnavailable('MAVEN_FAILED', `Maven could not copy the jars of ${POM}: ${String(error)} ${said}`);
  }
  return folder;
}

async function mustRun(
  program: string,
  args: readonly string[],
  code: 'JAVA_MISSING' | 'MAVEN_FAILED',
  why: string,
): Promise<void> {
  await run(program, [...args], { timeout: VERSION_LIMIT_MS }).catch((error: unknown) => {
    throw new BrokerUnavailable(code, `\`${program} ${args.join(' ')}\` failed: ${why}. (${String(error).split('\n')[0]})`);
  });
}
