import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kafkaReady } from '@understudy/messaging';
import { needsBroker } from '@understudy/testing';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { brokerJars } from './jars.js';
import { type Broker, startBroker } from './index.js';

// Three starts, on a busy machine.
vi.setConfig({ testTimeout: 180_000 });

const started: Broker[] = [];
const folders: string[] = [];

afterEach(async () => {
  vi.unstubAllEnvs();
  for (const broker of started.splice(0)) await broker.stop();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

async function start(options: Parameters<typeof startBroker>[0]): Promise<Broker> {
  const broker = await startBroker(options);
  started.push(broker);
  return broker;
}

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

describe('a broker', () => {
  it('comes back after a kill on its port; whoever starts it anew in its folder ends the one that was left behind', async (context) => {
    await needsBroker(context, () => brokerJars());
    const folder = mkdtempSync(join(tmpdir(), 'understudy-broker-spec-'));
    folders.push(folder);
    const first = await start({ folder });
    const { address, pid } = first;
    await first.kill();
    await expect(kafkaReady(first.client('spec'), { limitMs: 500 })).rejects.toMatchObject({ code: 'BROKER_AWAY' });
    await first.restart();
    expect(first.address).toBe(address);
    expect(first.pid).not.toBe(pid);
    const left = first.pid ?? 0;
    const second = await start({ folder });
    expect(isAlive(left)).toBe(false);
    await kafkaReady(second.client('spec'), { limitMs: 5_000 });
    await second.stop();
    expect(existsSync(join(folder, 'log', 'meta.properties'))).toBe(true);
  });

  it('without Java says what is missing, for a spec to skip with and for CI to fail by', async () => {
    // A module of its own: what was found out for another test must not answer here.
    vi.resetModules();
    const fresh = await import('./jars.js');
    vi.stubEnv('PATH', '/nonexistent');
    const asked = fresh.brokerJars();
    await expect(asked).rejects.toMatchObject({ name: 'BrokerUnavailable', code: 'JAVA_MISSING' });
    await expect(asked).rejects.toThrow('Apache Kafka needs Java 17');
  });
});
