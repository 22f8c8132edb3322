/** What shall befall the next message, act or job of its kind. A fault that was armed counts when it strikes. */
export type Arm =
  | 'request-lost'
  | 'request-late'
  | 'request-doubled'
  | 'answer-lost'
  | 'act-slow'
  | 'look-late'
  | 'look-partial'
  | 'patch-half'
  | 'patch-broken'
  | 'patch-slow'
  | 'reboot-for-ever'
  | 'reboot-ignored'
  | 'commit-lost'
  | 'drift-lost'
  | 'drift-doubled'
  | 'drift-late'
  | 'drift-reordered';

export class Arms {
  private readonly armed: Arm[] = [];

  /** @param struck told of each arm when it strikes. */
  constructor(private readonly struck: (arm: Arm, where: string) => void) {}

  arm(arm: Arm): void {
    this.armed.push(arm);
  }

  has(arm: Arm): boolean {
    return this.armed.includes(arm);
  }

  /** True when it strikes here; then it is spent. */
  take(arm: Arm, where: string): boolean {
    const at = this.armed.indexOf(arm);
    if (at < 0) return false;
    this.armed.splice(at, 1);
    this.struck(arm, where);
    return true;
  }

  disarm(): void {
    this.armed.length = 0;
  }
}
