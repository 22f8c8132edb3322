import type { PlatformDriver } from '@understudy/platforms';
import { drivers } from '@understudy/platforms';

const SIMULATED = 'simulated';

/** The drivers that an installation may use: `simulated` only where it is allowed, so that nobody takes it for a cluster. */
export function usablePlatforms(allowSimulated: boolean): Readonly<Record<string, PlatformDriver>> {
  return Object.fromEntries(Object.entries(drivers).filter(([name]) => allowSimulated || name !== SIMULATED));
}
