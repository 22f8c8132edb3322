import { readFile } from 'node:fs/promises';
import type { ClusterDefinition } from '@understudy/cluster';
import { atPlace } from '@understudy/event-log';
import { openHosts, patchSources, requestReboot, SshLinks, sshTools } from '@understudy/hosts';
import { createProbe } from '@understudy/probe';
import type { OrchestratorConfig } from '../config.js';
import type { RolloutStore } from '../handle.js';
import type { Peers } from '../peers.js';
import { Planner } from '../planner.js';
import type { Directory } from '../projections/directory.js';
import type { PastTests } from '../projections/past-tests.js';
import { checkRunner } from './check.js';
import { GateInputCollector, type OwnIdentities } from './gate-inputs.js';
import { Looker } from './look.js';
import { Neighbourhood } from './neighbours.js';
import { Performer } from './perform.js';
import { Targets } from './targets.js';

/** Everything through which this process looks at clusters and acts on them. */
export interface Effects {
  /** The connections that the hosts of `targets` use; closed after them. */
  readonly ssh: SshLinks;
  readonly targets: Targets;
  readonly planner: Planner;
  readonly looker: Looker;
  readonly performer: Performer;
  readonly gateInputs: GateInputCollector;
}

export interface EffectSources {
  readonly config: OrchestratorConfig;
  readonly peers: Peers;
  readonly rollouts: RolloutStore;
  readonly directory: Directory;
  readonly past: PastTests;
}

export function openEffects({ config, peers, rollouts, directory, past }: EffectSources): Effects {
  const { store, runtime, commandsFolder } = config;
  const ssh = new SshLinks(sshTools(runtime.credentials, runtime.knownHostsFile));
  const targets = openTargets(config, ssh);
  const patchSource = patchSources(commandsFolder === undefined ? {} : { commandsFolder });
  const { switchoverResult, durations } = past;
  const planner = new Planner({ targets, peers, patchSource, switchoverResult, durations, now: () => store.now() });
  const hood = new Neighbourhood(directory, targets);
  const neighbours = (definition: ClusterDefinition): ReturnType<Neighbourhood['of']> => hood.of(definition);
  const probe = createProbe();
  return {
    ssh,
    targets,
    planner,
    looker: new Looker({
      now: () => store.now(),
      log: runtime.log,
      targets,
      patchSource,
      probe,
      neighbours,
      runCheck: checkRunner(commandsFolder),
    }),
    performer: new Performer({ targets, patchSource, reboot: requestReboot, probe }),
    gateInputs: new GateInputCollector({
      targets,
      peers,
      patchSource,
      neighbours,
      fingerprint: (open, snapshot) => planner.fingerprint(open, snapshot),
      claimedBy: (host) => rollouts.claimedBy(host),
      rehearsal: (definition) => past.rehearsal(definition),
      own: () => ownIdentities(config),
    }),
  };
}

async function ownIdentities({ store }: OrchestratorConfig): Promise<OwnIdentities> {
  const { rows } = await store.pool.query<{ id: string }>('select system_identifier::text as id from pg_control_system()');
  const machineId = (await readFile('/etc/machine-id', 'utf8').catch(() => '')).trim();
  return { systemIdentifiers: rows.map((row) => row.id), machineIds: machineId === '' ? [] : [machineId] };
}

function openTargets({ platforms, runtime, store }: OrchestratorConfig, ssh: SshLinks): Targets {
  return new Targets({
    driver: (platform) => {
      const driver = Object.hasOwn(platforms, platform) ? platforms[platform] : undefined;
      if (!driver)
        throw new Error(`This installation has no driver for ${platform}; it has ${Object.keys(platforms).join(', ')}.`);
      return driver;
    },
    openHosts: (definition) => openHosts(definition.hosts, { ssh, onSent: (key) => atPlace('after-act-sent', key) }),
    secret: (name, hosts) => {
      const { user = '', secret = '' } = runtime.credentials.resolve(name, hosts);
      return { user, password: secret };
    },
    now: () => store.now(),
  });
}
