import type { ClusterDefinition } from '@understudy/cluster';
import {
  beginStart,
  inject,
  lostBytes,
  nodeOf,
  setSynchronous,
  tick,
  writableNodes,
  write,
  type Fault,
} from '@understudy/simulated-cluster';
import { platformContract } from '../contract.js';
import { promoting, type PromotingUnderTest } from '../fixtures/promoting/contract.js';
import { simulatedDriver } from './driver.js';
import { simulatedHosts } from './hosts.js';
import { SimulatedWorlds } from './worlds.js';

const nodes = ['sim-a', 'sim-b', 'sim-c'];
const definition: ClusterDefinition = {
  slug: 'sim',
  platform: 'simulated',
  environment: 'practice',
  workloads: ['app'],
  nodes: nodes.map((slug) => ({ slug, host: `host-${slug}`, settings: {} })),
  hosts: nodes.map((slug) => ({ slug: `host-${slug}`, access: { kind: 'local', root: `/simulated/${slug}` }, patching: {} })),
  credentials: {},
  settings: {},
};

platformContract('simulated', 10, () => Promise.resolve(simulatedCluster()), promoting);

function simulatedCluster(): PromotingUnderTest {
  const worlds = new SimulatedWorlds();
  const hurt = (fault: Fault): void => void worlds.change(definition, (world) => inject(world, fault));
  const pass = (ms: number): void => {
    for (let at = 0; at < ms; at += 5) worlds.pass(definition, 5);
  };
  return {
    driver: simulatedDriver(worlds),
    workload: 'app',
    nodes,
    target: () => ({
      definition,
      hosts: simulatedHosts(definition, worlds),
      secrets: {},
      now: () => worlds.of(definition).nowMs,
    }),
    stopAct: 'stop-active',
    slow: true,
    writers: () => {
      const took = nodes.filter((node) => {
        const result = write(worlds.of(definition), node);
        worlds.change(definition, () => tick(result.world, 1));
        return result.acknowledged;
      });
      return Promise.resolve(took);
    },
    lostWrites: () => {
      const world = worlds.of(definition);
      return Promise.resolve(lostBytes(world, writableNodes(world)[0] as string));
    },
    startByHand: (node) => {
      worlds.change(definition, (world) => beginStart(world, node));
      pass(100);
      return Promise.resolve();
    },
    reboot: (node) => {
      hurt({ fault: 'reboot', host: nodeOf(worlds.of(definition), node).host });
      pass(400);
      return Promise.resolve();
    },
    breakStart: (node) => {
      hurt({ fault: 'break-release', node });
      const mend = (): Promise<void> => Promise.resolve(hurt({ fault: 'mend-release', node }));
      return Promise.resolve({ mend, says: /the release on disk does not start/ });
    },
    freezeReceiver: (node) => {
      hurt({ fault: 'freeze', node });
      return Promise.resolve(() => Promise.resolve(hurt({ fault: 'thaw', node })));
    },
    requireSynchronous: (names) => {
      worlds.change(definition, (world) => {
        const active = writableNodes(world)[0] as string;
        return setSynchronous(world, active, names === undefined ? { needed: 0, names: [] } : { needed: 1, names });
      });
      return Promise.resolve();
    },
    remove: () => Promise.resolve(),
  };
}
