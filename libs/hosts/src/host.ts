import type { HostDefinition } from '@understudy/cluster';
import type { HostAccess } from './access/access.js';
import type { HostJobs } from './jobs.js';
import type { HostJournal } from './journal.js';

/** One host as everything above this library sees it. */
export interface Host {
  readonly definition: HostDefinition;
  readonly access: HostAccess;
  readonly journal: HostJournal;
  readonly jobs: HostJobs;
}
