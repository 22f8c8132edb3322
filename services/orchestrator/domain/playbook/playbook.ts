import { accept, refuse, type Decider, type Decision } from '@understudy/decider';
import type { Playbook } from '../rollout/plan.js';
import type { Person } from '../rollout/rollout.js';

/** One stream per playbook name; a version never changes once it is stored, because rollouts and approvals refer to it. */
export interface PlaybookEvent {
  readonly type: 'PlaybookStored';
  readonly data: { readonly playbook: Playbook; readonly hash: string; readonly by: string; readonly at: string };
}

export interface PlaybookCommand {
  readonly type: 'StorePlaybook';
  readonly playbook: Playbook;
  /** SHA-256 hex over the document's bytes. */
  readonly hash: string;
  readonly by: Person;
  readonly at: string;
}

export interface PlaybookState {
  /** By version. */
  readonly versions: Readonly<Record<number, { readonly playbook: Playbook; readonly hash: string }>>;
  readonly latest: number;
}

function decide(command: PlaybookCommand, state: PlaybookState): Decision<PlaybookEvent> {
  const { playbook, hash, by, at } = command;
  if (by.role !== 'operator' && by.role !== 'admin') {
    return refuse('forbidden', {
      pointer: '',
      code: 'ROLE_MISSING',
      detail: `${by.subject} is ${by.role}; an operator or admin may store playbooks.`,
    });
  }
  const stored = state.versions[playbook.version];
  if (stored !== undefined) {
    if (stored.hash === hash) return accept();
    const detail = `Version ${playbook.version} of ${playbook.name} is stored and never changes; store version ${state.latest + 1}.`;
    return refuse('conflict', { pointer: '/version', code: 'PLAYBOOK_VERSION_EXISTS', detail });
  }
  if (playbook.version !== state.latest + 1) {
    const detail = `The next version of ${playbook.name} is ${state.latest + 1}, not ${playbook.version}.`;
    return refuse('conflict', { pointer: '/version', code: 'PLAYBOOK_VERSION_SKIPPED', detail });
  }
  return accept({ type: 'PlaybookStored', data: { playbook, hash, by: by.subject, at } });
}

function evolve(state: PlaybookState, event: PlaybookEvent): PlaybookState {
  const { playbook, hash } = event.data;
  return {
    versions: { ...state.versions, [playbook.version]: { playbook, hash } },
    latest: Math.max(state.latest, playbook.version),
  };
}

export const playbookDecider: Decider<PlaybookState, PlaybookCommand, PlaybookEvent> = {
  initial: { versions: {}, latest: 0 },
  decide,
  evolve,
};
