export type HostErrorCode =
  | 'host-root-not-absolute'
  | 'host-unreachable-by-ssh'
  | 'host-slug-twice'
  | 'host-target-shared'
  | 'host-key-invalid'
  | 'host-setting-invalid'
  | 'patch-source-unknown'
  | 'patch-item-invalid'
  | 'commands-folder-unsafe'
  | 'command-unknown';

/** What is wrong with how a host was described or called. What happens *on* a host is an answer, never an error. */
export class HostError extends Error {
  constructor(
    readonly code: HostErrorCode,
    message: string,
  ) {
    super(message);
    this.name = 'HostError';
  }
}
