import type { Store } from '@understudy/event-log';
import type { PlatformDriver } from '@understudy/platforms';
import { parsers, setting, type Runtime } from '@understudy/runtime';

/** What a process hands to `OrchestratorModule.forRoot`. Whoever opened the store closes it, after the module. */
export interface OrchestratorConfig {
  readonly runtime: Runtime;
  readonly store: Store;
  /** URL of the service's role, for read models. Holds a secret: never log it. */
  readonly connectionString: string;
  /** Drivers that this installation may use, by platform. */
  readonly platforms: Readonly<Record<string, PlatformDriver>>;
  /** Admin-owned folder with the commands that playbooks and script patches name. */
  readonly commandsFolder: string | undefined;
}

/** Settings of this service; the process adds those of store, runtime, listener and transport. */
export const orchestratorSettings = {
  commandsFolder: setting({
    name: 'COMMANDS_FOLDER',
    describe: 'Absolute path of the admin-owned folder with the commands that playbooks and script patches name; empty = none',
    default: '',
    parse: parsers.optional,
  }),
};
