import { pacemaker } from './pacemaker/driver.js';
import { patroni } from './patroni/driver.js';
import type { PlatformDriver } from './platform.js';
import { postgresStreaming } from './postgres-streaming/driver.js';
import { redisSentinel } from './redis-sentinel/driver.js';
import { simulatedDriver } from './simulated/driver.js';
import { SimulatedWorlds } from './simulated/worlds.js';

export interface DriverOptions {
  /** Lets the driver `simulated` be used: for tests and trials, never for a cluster that anybody needs. */
  readonly allowSimulated: boolean;
}

/** The worlds of this process's simulated clusters. */
export const simulatedWorlds = new SimulatedWorlds();

/** Every platform that this version speaks to. A new one is a folder and a line here. */
export const drivers: Readonly<Record<string, PlatformDriver>> = {
  pacemaker,
  patroni,
  'postgres-streaming': postgresStreaming,
  'redis-sentinel': redisSentinel,
  simulated: simulatedDriver(simulatedWorlds),
};

/** The drivers that an installation may use: `simulated` only where it is allowed, so that nobody takes it for a cluster. */
export function usablePlatforms({ allowSimulated }: DriverOptions): Readonly<Record<string, PlatformDriver>> {
  return Object.fromEntries(Object.entries(drivers).filter(([name]) => allowSimulated || name !== 'simulated'));
}

/** Why a driver was not opened; `message` says what to do next. */
export class PlatformError extends Error {
  override readonly name = 'PlatformError';
  constructor(
    readonly code: 'UNKNOWN_PLATFORM' | 'SIMULATED_NOT_ALLOWED',
    message: string,
  ) {
    super(message);
  }
}

/** The driver of a platform. @throws PlatformError for a platform that is not known, or simulated and not allowed. */
export function openDriver(name: string, options: DriverOptions): PlatformDriver {
  const driver = Object.hasOwn(drivers, name) ? drivers[name] : undefined;
  if (driver === undefined) {
    throw new PlatformError(
      'UNKNOWN_PLATFORM',
      `There is no platform "${name}". Known: ${Object.keys(drivers).sort().join(', ')}.`,
    );
  }
  if (name === 'simulated' && !options.allowSimulated) {
    throw new PlatformError(
      'SIMULATED_NOT_ALLOWED',
      'The platform "simulated" patches nothing real and is refused. For a trial, start with ALLOW_SIMULATED=true.',
    );
  }
  return driver;
}
