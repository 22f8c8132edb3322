import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { PracticeCluster } from '../pair/index.js';
import type { RecordedEvent } from '../rest/documents.js';
import { notRunning, type Scenario } from './scenario.js';

const BEGUN_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 5;

/** The product dies without a word while the standby's patch runs on its host; started again it looks first, and goes on. */
export function crash(): Scenario {
  let killed = false;
  return {
    name: 'crash',
    headline: 'the product is killed with -9 while the standby is patched: it comes back, looks first, and goes on',
    expectedResult: 'succeeded',
    nodes: (args) => args.nodes,
    onEvent: async (stage, event) => {
      if (killed || !isPatchRequested(event)) return;
      if (stage.product === undefined) throw new Error('This scenario kills the product, so it has to be one process.');
      killed = true;
      await begun(stage.cluster, String(event.body['stepId']));
      const pid = await stage.product.kill();
      const since = performance.now();
      stage.say(
        `kill -9: the product (process ${pid}) is gone in the middle of ${String(event.body['stepId'])}; the patch is a job of its host`,
      );
      const next = await stage.product.startAgain();
      stage.say(`the product serves again (process ${next}), ${((performance.now() - since) / 1000).toFixed(1)} s later`);
    },
    problems: async (stage, ended) => [...notRunning(ended.versionsAfter, stage.targetVersion), ...notTakenOver(ended.events)],
  };
}

function isPatchRequested({ type, body }: RecordedEvent): boolean {
  return type === 'StepRequested' && /-patch-/.test(String(body['stepId']));
}

/** Waits until a host's journal of jobs has this step's. */
async function begun({ nodes }: PracticeCluster, stepId: string): Promise<void> {
  const journals = nodes.map(({ root }) => join(root, '.understudy/v1/jobs'));
  const until = performance.now() + BEGUN_WITHIN_MS;
  while (!journals.some((journal) => existsSync(journal) && readdirSync(journal).some((name) => name.includes(`-${stepId}-`)))) {
    if (performance.now() > until) throw new Error(`The job of ${stepId} had not begun on any host after ${BEGUN_WITHIN_MS} ms.`);
    await pause(LOOK_EVERY_MS);
  }
}

/** The record must show that the patch was open when the next start took the rollout over, and that it succeeded once. */
export function notTakenOver(events: readonly RecordedEvent[]): readonly string[] {
  const asked = events.find(isPatchRequested);
  if (asked === undefined) return ['No patch was ever asked for.'];
  const { stepId } = asked.body;
  const ended = events.find(({ type, body }) => /^Step(Succeeded|Failed|Unknown)$/.test(type) && body['stepId'] === stepId);
  const between = events.filter(({ version }) => version > asked.version && version < (ended?.version ?? 0));
  const times = events.filter(({ type, body }) => type === 'StepSucceeded' && body['stepId'] === stepId).length;
  return [
    ...(between.some(({ type }) => type === 'RolloutAdopted')
      ? []
      : [`Nobody took the rollout over while ${String(stepId)} was open.`]),
    ...(times === 1 ? [] : [`${String(stepId)} succeeded ${times} times.`]),
  ];
}
