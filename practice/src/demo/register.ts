import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Stage } from '../scenarios/index.js';
import { patchSet, PLAYBOOK_NAME, playbook, windowOf } from './documents.js';

const PLANNED_WITHIN_MS = 20_000;
const LOOK_EVERY_MS = 50;

interface WindowDocument {
  readonly id: string;
  readonly rollouts: readonly { readonly id: string }[];
}

/**
 * The steps of a user with a cluster of their own, by REST alone: credentials, cluster, patch set, playbook, window.
 * Answers the rollout's id.
 */
export async function register(stage: Stage): Promise<string> {
  await registerCluster(stage);
  return rolloutOf(stage.api, await scheduleWindow(stage, new Date()));
}

/** What the window is about. */
export type Registering = Pick<Stage, 'api' | 'cluster' | 'targetVersion'>;

/** Credentials, and the cluster that names them. */
export async function registerCluster({ api, cluster }: Registering): Promise<void> {
  const secrets = join(cluster.folder, '.secrets');
  const hosts = [...new Set(cluster.nodes.map((node) => node.address))];
  mkdirSync(secrets, { mode: 0o700 });
  for (const [name, login] of Object.entries(cluster.credentials)) {
    const file = join(secrets, name);
    writeFileSync(file, login.password, { mode: 0o600 });
    await api.put(`/v1/credentials/${name}`, { user: login.user, source: `file:${file}`, hosts });
  }
  await api.post('/v1/clusters', cluster.definition);
}

/** Patch set, playbook, and a window that opens at that time. Answers the window's id. */
export async function scheduleWindow({ api, cluster, targetVersion }: Registering, opensAt: Date): Promise<string> {
  const stored = await api.post<{ id: string }>('/v1/patch-sets', patchSet(targetVersion, new Date()));
  await api.put(`/v1/playbooks/${PLAYBOOK_NAME}`, playbook());
  const opened = await api.post<WindowDocument>('/v1/windows', windowOf(cluster, stored.body.id, opensAt));
  return opened.body.id;
}

/** The window's rollout is planned by a reaction of the product's, which may take a moment. */
export async function rolloutOf(api: Stage['api'], windowId: string): Promise<string> {
  const until = Date.now() + PLANNED_WITHIN_MS;
  for (;;) {
    const { rollouts } = await api.get<WindowDocument>(`/v1/windows/${windowId}`);
    if (rollouts[0] !== undefined) return rollouts[0].id;
    if (Date.now() > until) throw new Error(`The window ${windowId} has no rollout after ${PLANNED_WITHIN_MS / 1000} s.`);
    await pause(LOOK_EVERY_MS);
  }
}
