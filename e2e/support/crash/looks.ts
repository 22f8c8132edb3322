/** What the looks at a pair during a window say, and whether they can say it. Pure. */

/** `silent`: the look could not be made, which says nothing about the node. */
export type Said = 'writes' | 'reads' | 'silent';

export interface Look extends Span {
  /** By node. */
  readonly said: Readonly<Record<string, Said>>;
  /** The nodes that accepted writes at one moment; empty where that was at most one. */
  readonly two: readonly string[];
}

/** Milliseconds since the epoch. */
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Writable {
  readonly looks: number;
  /** Looks that a node answered, whatever it said. */
  readonly answered: Readonly<Record<string, number>>;
  /** Looks while no switchover was under way. */
  readonly calm: number;
  /** Of these: at least one node accepted writes. */
  readonly calmWithWriter: number;
  /** `<node> and <node> at <time>`. */
  readonly twoAtOnce: readonly string[];
}

/** A node is down while it is patched, and nobody is there to start it while the product is dead; still it answers this often. */
const LEAST_ANSWERED = 100;
/** The rest is for looks that were cut off by a machine that is busy. */
const LEAST_WITH_WRITER = 0.95;

export function seenIn(looks: readonly Look[], switchovers: readonly Span[]): Writable {
  const nodes = [...new Set(looks.flatMap(({ said }) => Object.keys(said)))];
  const calm = looks.filter((look) => !switchovers.some(({ fromMs, toMs }) => look.fromMs <= toMs && look.toMs >= fromMs));
  return {
    looks: looks.length,
    answered: Object.fromEntries(nodes.map((node) => [node, looks.filter(({ said }) => said[node] !== 'silent').length])),
    calm: calm.length,
    calmWithWriter: calm.filter(({ said }) => Object.values(said).includes('writes')).length,
    twoAtOnce: looks.flatMap(({ two, fromMs }) =>
      two.length === 0 ? [] : [`${two.join(' and ')} at ${new Date(fromMs).toISOString()}`],
    ),
  };
}

/** Why the looks cannot say that there was one writer all the time, in sentences. @param nodes that had to be looked at. */
export function lookProblems(writable: Writable, nodes: readonly string[]): readonly string[] {
  const { answered, calm, calmWithWriter, twoAtOnce } = writable;
  const rules: readonly (readonly [boolean, string])[] = [
    ...twoAtOnce.map((what) => [true, `Two nodes accepted writes: ${what}.`] as const),
    ...nodes.map((node): readonly [boolean, string] => {
      const times = answered[node] ?? 0;
      return [times < LEAST_ANSWERED, `${node} answered ${times} looks, and not ${LEAST_ANSWERED}.`];
    }),
    [calm < LEAST_ANSWERED, `There were ${calm} looks outside of switchovers, and not ${LEAST_ANSWERED}.`],
    [
      calmWithWriter < calm * LEAST_WITH_WRITER,
      `In ${calm - calmWithWriter} of ${calm} looks outside of switchovers no node accepted writes.`,
    ],
  ];
  return rules.filter(([isBroken]) => isBroken).map(([, sentence]) => sentence);
}

/** A switchover's time: from its first request to its last outcome. */
export function switchoversOf(
  events: readonly { readonly type: string; readonly time: string; readonly body: Readonly<Record<string, unknown>> }[],
): readonly Span[] {
  const spans = new Map<string, Span>();
  for (const { type, time, body } of events) {
    const stepId = String(body['stepId']);
    if (!type.startsWith('Step') || !/^\d{2}-switchover-/.test(stepId)) continue;
    const atMs = Date.parse(time);
    const fromMs = spans.get(stepId)?.fromMs ?? atMs;
    spans.set(stepId, { fromMs, toMs: atMs });
  }
  return [...spans.values()];
}
