/**
 * Coverage of the domains by their own given/when/then specs. V8's provider, narrowed: only what a spec inside
 * `services/<service>/domain` executed counts, so an end-to-end test cannot lend a branch to a rule nobody stated, and neither
 * can chance: properties (`*.property.spec.ts`) draw new cases each time, and do not count. The other specs run without the
 * profiler, which would slow down whatever they measure.
 */
import v8 from '@vitest/coverage-v8';

const DOMAIN_SPEC = /\/services\/[^/]+\/domain\/.*(?<!\.property)\.spec\.ts$/;

/** In the worker: each is started for one spec file (`pool: 'forks'`, isolated). */
const inDomainSpec = () => DOMAIN_SPEC.test(globalThis.__vitest_worker__?.ctx.files[0]?.filepath ?? '');

const domainCoverage = {
  startCoverage: async (options) => (inDomainSpec() ? v8.startCoverage(options) : undefined),
  takeCoverage: async (options) => (inDomainSpec() ? v8.takeCoverage(options) : { result: [] }),
  stopCoverage: async (options) => (inDomainSpec() ? v8.stopCoverage(options) : undefined),
  getProvider: () => v8.getProvider(),
};

export default domainCoverage;
