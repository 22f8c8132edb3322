import type { Fence, JobStart, JobState } from '@understudy/hosts';
import type { Ask } from '@understudy/orchestrator-domain';
import { inject, install, nodeOf } from '@understudy/simulated-cluster';
import type { Arms } from './arms.js';
import type { Box, Ground, SimulatedJob, Site } from './ground.js';
import type { Hosts } from './hosts.js';
import type { Random } from './random.js';
import type { Life } from './scheduler.js';

/** Detached jobs on hosts: patches, reboots and the probe. They outlive whoever started them. */

export interface JobCall {
  readonly cluster: string;
  readonly host: string;
  readonly jobId: string;
  /** The step's key. */
  readonly key: string;
  readonly fence: Fence;
  readonly ask: Extract<Ask, { ask: 'job' }>;
}

export interface JobWatcher {
  /** Told in the moment before a job begins. */
  starting(site: Site, call: JobCall): void;
}

const PATCH_MS = { from: 800, to: 4_000 };
const REBOOT_MS = { from: 1_000, to: 8_000 };
const REBOOT_NEEDED = 0.4;

export class Jobs {
  constructor(
    private readonly ground: Ground,
    private readonly hosts: Hosts,
    private readonly chance: Random,
    private readonly arms: Arms,
  ) {}
  watcher: JobWatcher | null = null;

  start(life: Life, call: JobCall): JobStart {
    const raised = this.hosts.raise(call.host, call.fence);
    if (raised.status === 'fenced') return raised;
    const box = this.ground.box(call.host);
    if (box.jobs.has(call.jobId)) return { status: 'known' };
    this.watcher?.starting(this.ground.site(call.cluster), call);
    const job = this.enter(box, call.jobId);
    void this.run(life, call, job);
    return { status: 'started' };
  }

  /** The probe runs until it is stopped or its host dies. */
  startProbe(host: string, jobId: string, fence: Fence): JobStart {
    const raised = this.hosts.raise(host, fence);
    if (raised.status === 'fenced') return raised;
    const box = this.ground.box(host);
    if (box.jobs.has(jobId)) return { status: 'known' };
    this.enter(box, jobId);
    return { status: 'started' };
  }

  stop(host: string, jobId: string): void {
    const job = this.ground.box(host).jobs.get(jobId);
    if (job?.status === 'running') job.status = 'exited';
  }

  state(host: string, jobId: string): JobState {
    const job = this.ground.box(host).jobs.get(jobId);
    if (job === undefined) return { status: 'absent' };
    const startedAt = new Date(job.startedAtMs).toISOString();
    if (job.status !== 'exited') return { status: job.status, startedAt };
    return { status: 'exited', code: job.code, startedAt, endedAt: startedAt };
  }

  private enter(box: Box, jobId: string): SimulatedJob {
    const job: SimulatedJob = { jobId, startedAtMs: this.ground.scheduler.nowMs, status: 'running', code: 0 };
    box.jobs.set(jobId, job);
    return job;
  }

  private async run(life: Life, call: JobCall, job: SimulatedJob): Promise<void> {
    if (call.ask.job === 'reboot') return this.reboot(life, call, job);
    const slow = this.arms.take('patch-slow', call.host) ? 8 : 1;
    await this.ground.scheduler.sleep(this.chance.int(PATCH_MS.from, PATCH_MS.to) * slow, life);
    job.code = this.change(call, call.ask);
    job.status = 'exited';
  }

  /** @returns the exit code. */
  private change({ cluster, host }: JobCall, ask: Extract<JobCall['ask'], { job: 'patch' | 'unpatch' }>): number {
    const box = this.ground.box(host);
    const half = this.arms.take('patch-half', host);
    const broken = half || (ask.job === 'patch' && this.arms.take('patch-broken', host));
    const version = ask.job === 'patch' ? ask.item.targetVersion : (ask.previousVersion ?? ask.item.targetVersion);
    this.ground.change(cluster, 'ours', (world) => {
      // Half installed: the files of one release beside those of another.
      const installed = half && this.chance.chance(0.5) ? nodeOf(world, ask.node).disk.installedVersion : version;
      return install(world, ask.node, installed, broken);
    });
    if (!half && this.chance.chance(REBOOT_NEEDED)) box.rebootPending = true;
    return half ? 1 : 0;
  }

  private async reboot(life: Life, { host }: JobCall, job: SimulatedJob): Promise<void> {
    await this.ground.scheduler.sleep(this.chance.int(50, 600), life);
    if (this.arms.take('reboot-ignored', host)) {
      job.status = 'exited';
      return;
    }
    const forMs = this.arms.take('reboot-for-ever', host) ? 'for-ever' : this.chance.int(REBOOT_MS.from, REBOOT_MS.to);
    this.ground.cut(host);
    this.ground.changeHost(host, 'ours', (world) => inject(world, { fault: 'power-off', host, forMs }));
  }
}
