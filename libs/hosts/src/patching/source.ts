import type { CheckResult, ItemVersion, PatchItem } from '@understudy/cluster';
import type { Host } from '../host.js';

/**
 * One way of patching a host. `check` and `verify` only look; `apply` and `rollback` describe a detached job, whose
 * start is the act. The caller has drained the node as `service` demands.
 */
export interface PatchSource {
  readonly name: string;
  readonly declares: {
    /** What must be true of the service: `stopped` before, or the source `restarts` it, or `untouched`. */
    readonly service: 'stopped' | 'restarts' | 'untouched';
    readonly mayNeedReboot: boolean;
  };
  /** May this item be applied here, and is the way back at hand? Changes nothing. */
  check(host: Host, item: PatchItem, deadlineMs: number): Promise<PatchCheck>;
  /** @param transaction as a check told it: that is done, what of it is done already left out, or nothing. Absent: what is found now. */
  apply(host: Host, item: PatchItem, transaction?: readonly string[]): JobDescription;
  /** Brings the item back to `previousVersion`. */
  rollback(host: Host, item: PatchItem, previousVersion: string): JobDescription;
  /** What is installed now and whether a reboot is pending. Running versions are the platform driver's to observe. */
  verify(host: Host, item: PatchItem, deadlineMs: number): Promise<PatchVerification>;
}

export interface PatchCheck {
  readonly installedVersion: string | null;
  readonly checks: readonly CheckResult[];
  /** What the item changes with all that it brings along, in the words of the source; absent where there is no more than the item. */
  readonly transaction?: readonly string[];
  /** The way back is proven: what would be brought back is at hand, and nothing stands in its way that could be known beforehand. */
  readonly wayBack: { readonly proven: boolean; readonly detail: string };
}

export interface PatchVerification {
  readonly version: Pick<ItemVersion, 'installed'>;
  readonly rebootNeeded: boolean | null;
  readonly checks: readonly CheckResult[];
}

export interface JobDescription {
  readonly argv: readonly [string, ...string[]];
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
}
