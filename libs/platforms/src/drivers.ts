import type { PlatformDriver } from './platform.js';
import { postgresStreaming } from './postgres-streaming/driver.js';

export interface DriverOptions {
  /** Lets the driver `simulated` be used: for tests and trials, never for a cluster that anybody needs. */
  readonly allowSimulated: boolean;
}

/** Every platform that this version speaks to. A new one is a folder and a line here. */
export const drivers: Readonly<Record<string, PlatformDriver>> = {
  [postgresStreaming.platform]: postgresStreaming,
};

export class UnknownPlatformError extends Error {
  readonly code = 'UNKNOWN_PLATFORM';
}

/** The driver of a platform. @throws UnknownPlatformError with the platforms that are known. */
export function openDriver(name: string, _options: DriverOptions): PlatformDriver {
  const driver = drivers[name];
  if (driver === undefined) {
    throw new UnknownPlatformError(`There is no platform "${name}". Known: ${Object.keys(drivers).sort().join(', ')}.`);
  }
  return driver;
}
