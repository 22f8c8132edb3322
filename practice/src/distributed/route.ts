import type { Service } from './service-process.js';

/** Which service answers a path of the API; where two share a first word, what follows tells. */
const ROUTES: readonly (readonly [RegExp, Service])[] = [
  [/^\/v1\/clusters\/[^/]+\/(fidelity|assessments)\b/, 'drift'],
  [/^\/v1\/(clusters|debts|credentials|inventory)\b/, 'inventory'],
  [/^\/v1\/(findings|baselines|drift)\b/, 'drift'],
  [/^\/v1\/(subscriptions|deliveries|tickets|notification)\b/, 'notification'],
];

/** As a gateway in front of the four would decide; everything else is the orchestrator's. */
export function serviceFor(path: string): Service {
  return ROUTES.find(([pattern]) => pattern.test(path))?.[1] ?? 'orchestrator';
}
