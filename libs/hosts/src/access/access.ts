/**
 * How commands reach a host. Nobody but `libs/hosts` and the platform drivers call this; a mutating act goes
 * through the host's journal (`journal.ts`), never straight through `run`.
 */
export interface HostAccess {
  /** The host's slug. */
  readonly host: string;
  /** The folder on the host that everything of ours lives below; relative paths in commands start here. */
  readonly root: string;
  /** Runs one command. Never throws for what happens on the host: a lost link or a missed deadline is `unknown`. */
  run(command: HostCommand): Promise<CommandResult>;
  /** Gives up connections. Commands under way end as `unknown`. */
  close(): Promise<void>;
}

export interface HostCommand {
  /** Program and arguments; no shell is put between. */
  readonly argv: readonly [string, ...string[]];
  readonly stdin?: string;
  /** Past this the command is ended and the result is `unknown`. */
  readonly deadlineMs: number;
  /** Output beyond this is cut, and marked (default 1 MiB each). */
  readonly maxOutputBytes?: number;
  /** Called once, when the command with its input has been handed over: from then on it may run, whatever becomes of us. */
  readonly onSent?: () => void;
}

export type CommandResult =
  | {
      readonly status: 'exited';
      readonly code: number;
      readonly stdout: string;
      readonly stderr: string;
      readonly truncated: boolean;
    }
  | { readonly status: 'unknown'; readonly reason: string };
