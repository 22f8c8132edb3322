import { notRunning, type Scenario } from './scenario.js';

export const happy: Scenario = {
  name: 'happy',
  headline: 'a whole window: drift checked, switchover tested, standby patched, workload moved, original patched',
  expectedResult: 'succeeded',
  nodes: (args) => args.nodes,
  problems: async (stage, ended) => notRunning(ended.versionsAfter, stage.targetVersion),
};
