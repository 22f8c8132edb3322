import { parseArgs } from 'node:util';

export const SCENARIOS = ['happy', 'drift', 'bad-patch', 'crash', 'hypervisor'] as const;
export type ScenarioName = (typeof SCENARIOS)[number];

export interface DemoArgs {
  readonly scenario: ScenarioName;
  readonly nodes: 2 | 3;
  /** For `drift`; undefined = drawn from the seed. */
  readonly fault: string | undefined;
  readonly seed: number;
  readonly report: string | undefined;
  /** A folder that receives ledger, events and connection facts, for somebody who wants to compute the figures again. */
  readonly evidence: string | undefined;
  /** A script that is run with the evidence folder while the nodes still live. */
  readonly judge: string | undefined;
}

export type Parsed =
  | { readonly parsed: 'run'; readonly args: DemoArgs }
  | { readonly parsed: 'help' }
  | { readonly parsed: 'wrong'; readonly why: string };

export function helpText(faults: readonly string[]): string {
  return `Patches a real PostgreSQL pair standby-first while a client writes to it.

  npm run demo -- [options]

  --scenario NAME   what happens (default happy):
      happy         drift checked, switchover tested, standby patched, workload moved, original patched
      drift         the standby streams, but would not serve: the gate closes, the fault is mended, the window goes on
      bad-patch     the new release does not start on the standby: rolled back, the workload never moved after the test
      crash         the product is killed with -9 while the standby is patched: it comes back, looks, and goes on
      hypervisor    one PostgreSQL behind hypervisor HA: a rolling plan is refused, a downtime plan is offered
  --nodes 2|3       how many nodes the cluster has (default 2)
  --fault NAME      for drift: which latent fault (default: drawn from the seed): ${faults.join(', ')}
  --seed N          for drift: draws fault and node; printed by every run (default: by chance)
  --report PATH     where the report goes (default ./understudy-report-<rollout>.html)
  --evidence DIR    also writes ledger, events and connection facts there, so that the figures can be computed again
  --judge SCRIPT    runs \`node SCRIPT DIR LAST-LINE\` on that evidence while the nodes still live; it must exit 0
  --help            this text

The last line is one line of JSON. Exit code 0: the scenario ended as it should and every figure agrees.`;
}

/** @param drawSeed used when no seed is named; an integer from 0. */
export function parse(argv: readonly string[], faults: readonly string[], drawSeed: () => number): Parsed {
  try {
    const { values } = parseArgs({
      args: [...argv],
      strict: true,
      options: {
        scenario: { type: 'string', default: 'happy' },
        nodes: { type: 'string', default: '2' },
        fault: { type: 'string' },
        seed: { type: 'string' },
        report: { type: 'string' },
        evidence: { type: 'string' },
        judge: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    });
    return values.help ? { parsed: 'help' } : checked(values, faults, drawSeed);
  } catch (error) {
    return { parsed: 'wrong', why: error instanceof Error ? error.message : String(error) };
  }
}

type Values = Readonly<Partial<Record<'scenario' | 'nodes' | 'fault' | 'seed' | 'report' | 'evidence' | 'judge', string>>>;

function checked(values: Values, faults: readonly string[], drawSeed: () => number): Parsed {
  const scenario = SCENARIOS.find((name) => name === values.scenario);
  if (scenario === undefined) return wrong(`There is no scenario "${values.scenario}". There are: ${SCENARIOS.join(', ')}.`);
  const refused = refusal(values, faults);
  if (refused !== undefined) return wrong(refused);
  const { fault, report, evidence, judge } = values;
  const seed = values.seed === undefined ? drawSeed() : Number(values.seed);
  return { parsed: 'run', args: { scenario, nodes: values.nodes === '3' ? 3 : 2, fault, seed, report, evidence, judge } };
}

/** The first thing that cannot be meant, in words. */
function refusal({ scenario, nodes, fault, seed, judge, evidence }: Values, faults: readonly string[]): string | undefined {
  const rules: readonly (readonly [boolean, string])[] = [
    [!['2', '3'].includes(nodes ?? ''), `--nodes takes 2 or 3, not "${nodes}".`],
    [fault !== undefined && scenario !== 'drift', '--fault belongs to --scenario drift.'],
    [fault !== undefined && !faults.includes(fault), `There is no fault "${fault}". There are: ${faults.join(', ')}.`],
    [!/^\d{1,9}$/.test(seed ?? '0'), `--seed takes an integer from 0 to 999999999, not "${seed}".`],
    [judge !== undefined && evidence === undefined, '--judge needs --evidence DIR: the script reads what is written there.'],
    [scenario === 'hypervisor' && nodes !== '2', '--nodes does not go with hypervisor: that cluster has one node.'],
  ];
  return rules.find(([broken]) => broken)?.[1];
}

function wrong(why: string): Parsed {
  return { parsed: 'wrong', why };
}
