import { latentFaults, plantFault, type LatentFault, type PlantedFault } from '../pair/index.js';
import type { Finding } from '../rest/documents.js';
import { notRunning, type Scenario, type Stage } from './scenario.js';

/** Reproducible draws from a seed: mulberry32 (T. Ettinger, public domain). Answers an integer from 0 below `limit`. */
export function draws(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

/** A fault and the standby that has it. The active node is not drawn: what it does *is* what a standby must be able to do. */
export function draw(seed: number, standbys: readonly string[], named: string | undefined): { fault: LatentFault; node: string } {
  const next = draws(seed);
  const fault = latentFaults[next(latentFaults.length)];
  const node = standbys[next(standbys.length)];
  if (fault === undefined || node === undefined) throw new Error('There is no standby to plant a fault on.');
  return { fault: latentFaults.find((candidate) => candidate === named) ?? fault, node };
}

/** The standby streams and would not serve. The gate must say so before anything is touched; mended, the window goes on. */
export function drift(): Scenario {
  let planted: PlantedFault | undefined;
  let seen: Finding[] = [];
  let mended = false;
  return {
    name: 'drift',
    headline: 'a standby streams healthily, yet would not serve: the gate closes, the fault is mended, the window goes on',
    expectedResult: 'succeeded',
    nodes: (args) => args.nodes,
    prepare: async (stage) => {
      const standbys = stage.cluster.nodes.slice(1).map((node) => node.slug);
      const drawn = draw(stage.args.seed, standbys, stage.args.fault);
      planted = await plantFault(stage.cluster, drawn.node, drawn.fault);
      stage.say(`seed ${stage.args.seed}: fault "${planted.fault}" on ${planted.node}: ${planted.description}`);
    },
    onEvent: async (stage, event) => {
      if (mended || planted === undefined || event.type !== 'GateEvaluated') return;
      if (event.body['gate'] !== 'drift' || event.body['status'] !== 'closed') return;
      seen = await findings(stage, planted.node);
      if (seen.length === 0) return;
      for (const finding of seen) stage.say(`finding: ${finding.node} ${finding.area} ${finding.name}: ${finding.detail}`);
      mended = true;
      await planted.mend();
      stage.say(`mended on ${planted.node}; the window waits for a fresh look`);
    },
    problems: async (stage, ended) => [
      ...notRunning(ended.versionsAfter, stage.targetVersion),
      ...(mended
        ? []
        : [`The drift gate never closed for ${planted?.fault ?? 'the fault'} on ${planted?.node ?? 'the standby'}.`]),
      ...touchedWhileClosed(ended.events.map((event) => event.type)),
    ],
  };
}

async function findings(stage: Stage, node: string): Promise<Finding[]> {
  const page = await stage.api.get<{ items: Finding[] }>(`/v1/findings?cluster=${stage.cluster.definition.slug}`);
  return page.items.filter((finding) => finding.node === node && finding.severity === 'blocking');
}

/** Nothing may be asked of the cluster before the rollout was admitted. */
function touchedWhileClosed(types: readonly string[]): readonly string[] {
  const admitted = types.indexOf('RolloutAdmitted');
  const first = types.indexOf('StepRequested');
  return first !== -1 && (admitted === -1 || first < admitted) ? ['A step was requested before the gates were open.'] : [];
}
