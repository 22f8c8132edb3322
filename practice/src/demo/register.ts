import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Stage } from '../scenarios/index.js';
import { patchSet, PLAYBOOK_NAME, playbook, windowOf } from './documents.js';

/**
 * The steps of a user with a cluster of their own, by REST alone: credentials, cluster, patch set, playbook, window.
 * Answers the rollout's id.
 */
export async function register(stage: Stage): Promise<string> {
  const { api, cluster, targetVersion } = stage;
  const secrets = join(cluster.folder, '.secrets');
  mkdirSync(secrets, { mode: 0o700 });
  for (const [name, login] of Object.entries(cluster.credentials)) {
    const file = join(secrets, name);
    writeFileSync(file, login.password, { mode: 0o600 });
    await api.put(`/v1/credentials/${name}`, {
      user: login.user,
      password: `file:${file}`,
      hosts: cluster.nodes.map((node) => node.slug),
    });
  }
  await api.post('/v1/clusters', cluster.definition);
  const now = new Date();
  const stored = await api.post<{ id: string }>('/v1/patch-sets', patchSet(targetVersion, now));
  await api.put(`/v1/playbooks/${PLAYBOOK_NAME}`, playbook());
  const opened = await api.post<{ rollouts: readonly { id: string }[] }>('/v1/windows', windowOf(cluster, stored.body.id, now));
  const rollout = opened.body.rollouts[0];
  if (rollout === undefined) throw new Error('The window was taken, and it has no rollout.');
  return rollout.id;
}
