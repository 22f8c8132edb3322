import { describe, expect, it } from 'vitest';
import { PHASE_PLACES, PLANS, STEP_PLACES, windowsOf, type Cell, type PlanName } from './cells.js';

const plans = Object.keys(PLANS) as PlanName[];
const ids = (cells: readonly Cell[]): readonly string[] => cells.map(({ id }) => id);
const names = (cells: readonly Cell[]): readonly string[] => cells.map(({ place, at }) => `${place} ${at}`).sort();

describe.each(plans)('the matrix of the plan %s', (plan) => {
  const { steps, phases, withoutActs } = PLANS[plan];
  const ofSteps = steps.flatMap((step) =>
    STEP_PLACES.filter((place) => !withoutActs.includes(step) || !place.includes('-act-')).map((place) => `${place} ${step}`),
  );

  it('has every place of every step, and every place of every phase, once each over ten windows', () => {
    const cells = windowsOf(plan, 'all', 'orchestrator').flat();
    const ofPhases = phases.flatMap((phase) => PHASE_PLACES.map((place) => `${place} ${phase}`));
    expect(names(cells)).toEqual([...ofSteps, ...ofPhases].sort());
    expect(new Set(ids(cells)).size).toBe(cells.length);
  });

  it('kills once at each step in a window, so that each way back is over before the next one', () => {
    for (const cells of windowsOf(plan, 'all', 'orchestrator')) {
      const killed = cells.filter(({ at }) => at.includes('/')).map(({ at }) => at);
      expect(killed).toEqual(steps.filter((step) => killed.includes(step) || !withoutActs.includes(step)));
    }
  });

  it('takes every step and every phase in the one window of the CI', () => {
    const [cells = []] = windowsOf(plan, 'ci', 'orchestrator');
    expect(new Set(cells.map(({ at }) => at))).toEqual(new Set([...steps, ...phases]));
  });

  it('kills a start where a place was taken in an earlier process of the same phase', () => {
    for (const cells of windowsOf(plan, 'all', 'orchestrator')) {
      const starting = cells.filter(
        ({ place, at }) => /lease|adoption/.test(place) && !steps.some((step) => step.startsWith(`${at}/`)),
      );
      for (const { after, at } of starting) expect(cells.find(({ id }) => id === after)?.at).toBe(at);
    }
  });

  it('doubles each kill of a step with one on the way back from it', () => {
    for (const cells of windowsOf(plan, 'double', 'orchestrator')) {
      expect(cells.length % 2).toBe(0);
      expect(cells.length / 2 + withoutActs.length).toBeGreaterThanOrEqual(steps.length);
      for (const second of cells.filter(({ after }) => after !== undefined)) {
        const first = cells.find(({ id }) => id === second.after);
        expect(first?.at.split('/')[0]).toBe(second.at.split('/')[0]);
        expect(`${first?.place} ${second.place}`).not.toMatch(/^after-outcome-committed .*observed/);
      }
    }
  });

  it('leaves alone what is not reached where the store is killed: the places of a start, and a phase that is over at once', () => {
    const cells = windowsOf(plan, 'all', 'store').flat();
    expect(cells.filter(({ place }) => /lease|adoption/.test(place))).toEqual([]);
    expect(cells.filter(({ at }) => at === 'preflight')).toEqual([]);
    expect(cells.length).toBe(ofSteps.length + (phases.length - 1) * 4);
  });
});

it('kills a switchover at its acts after which no node serves, not only at what prepares it', () => {
  const acts = windowsOf('happy', 'all', 'orchestrator')
    .flat()
    .flatMap(({ act, place }) => (act === undefined ? [] : [`${place} ${act}`]));
  const places = ['before-act-sent', 'after-act-sent', 'before-act-accepted'];
  expect(acts.sort()).toEqual(
    places.flatMap((place) => ['stop-active', 'announce-promotion', 'promote'].map((act) => `${place} ${act}`)).sort(),
  );
});

describe('the CI', () => {
  it('takes every place at least once over its two plans', () => {
    const cells = plans.flatMap((plan) => windowsOf(plan, 'ci', 'orchestrator').flat());
    expect(new Set(cells.map(({ place }) => place))).toEqual(new Set([...STEP_PLACES, ...PHASE_PLACES]));
  });
});
