import type { Fact, NodeFacts, Severity } from './facts.js';
import { isDeadArchiving, isUnreadableRule } from './rules.js';

/**
 * Faults that one node shows by itself: an expired certificate, archiving that is dead, authentication rules that
 * cannot be read, an edit that waits for a reload, what is wrong with its host. On a standby the first three block; on the active node
 * clients live with them already, so they warn.
 */
export interface Fault {
  readonly fact: Fact;
  readonly expected: string;
  readonly severity: Severity;
  readonly detail: string;
}

const WARN_BEFORE_EXPIRY_MS = 30 * 86_400_000;

/** @param isStandby the node would have to serve after a switchover. */
export function faultsOf(node: NodeFacts, isStandby: boolean): readonly Fault[] {
  return node.facts.flatMap((fact) => {
    const fault = faultOf(fact, node, isStandby);
    return fault === undefined ? [] : [fault];
  });
}

function faultOf(fact: Fact, node: NodeFacts, isStandby: boolean): Fault | undefined {
  const gravity: Severity = isStandby ? 'blocking' : 'warning';
  switch (fact.area) {
    case 'certificate':
      return certificate(fact, Date.parse(node.collectedAt), gravity);
    case 'archiving':
      return archiving(fact, gravity);
    case 'authentication':
      return unreadable(fact, gravity);
    case 'setting':
      return pending(fact);
    default:
      return ofHost(fact);
  }
}

/** A host's own faults, which its collector tells by these values. They stop nothing: the node serves, or would. */
const HOST_FAULTS: Readonly<Record<string, { readonly value: string; readonly expected: string; readonly detail: string }>> = {
  disk: {
    value: 'low',
    expected: 'a tenth of it free',
    detail: 'This disk is nearly full: a patch may not fit, and a database stops when it is. Make room on it.',
  },
  failed: {
    value: 'yes',
    expected: 'running, or stopped on purpose',
    detail: 'This service has failed. See why with systemctl status, then start it, or forget it with systemctl reset-failed.',
  },
  automation: {
    value: 'on',
    expected: 'off on hosts of a cluster',
    detail:
      'It changes this host by itself, whoever serves, also in the middle of a window and on every node at once. ' +
      'Leave patches to rollouts: switch it off here, or keep it from packages, services and reboots.',
  },
};

function ofHost(fact: Fact): Fault | undefined {
  const fault = HOST_FAULTS[fact.area];
  if (fault === undefined || fault.value !== fact.value) return undefined;
  return { fact, expected: fault.expected, severity: 'warning', detail: fault.detail };
}

/** A certificate fact's value is the moment (RFC 3339) when it ends, or holds one after `notAfter=`. */
function certificate(fact: Fact, nowMs: number, gravity: Severity): Fault | undefined {
  const endsMs = Date.parse(/notAfter=(\S+)/.exec(fact.value)?.[1] ?? fact.value);
  if (Number.isNaN(endsMs) || endsMs - nowMs > WARN_BEFORE_EXPIRY_MS) return undefined;
  if (endsMs <= nowMs) {
    return {
      fact,
      expected: 'a certificate that is valid',
      severity: gravity,
      detail: 'The certificate has expired: clients that verify it refuse this node. Renew it and reload.',
    };
  }
  return {
    fact,
    expected: 'a certificate that is valid for more than 30 days',
    severity: 'warning',
    detail: 'The certificate ends within 30 days. Renew it and reload.',
  };
}

function archiving(fact: Fact, gravity: Severity): Fault | undefined {
  if (!isDeadArchiving(fact)) return undefined;
  return {
    fact,
    expected: 'working',
    severity: gravity,
    detail:
      'WAL archiving does not work on this node: once it serves, WAL piles up until the disk is full and there is no point-in-time recovery. ' +
      'Mend the archive command or its target, then look again.',
  };
}

function unreadable(fact: Fact, gravity: Severity): Fault | undefined {
  if (!isUnreadableRule(fact.name)) return undefined;
  return {
    fact,
    expected: 'a file that can be read',
    severity: gravity,
    detail:
      'The client authentication file has a line that the server cannot read: a reload keeps the old rules, and a restart fails. ' +
      'Correct the line and reload.',
  };
}

function pending(fact: Fact): Fault | undefined {
  if (fact.runningValue === undefined || fact.runningValue === fact.value) return undefined;
  return {
    fact,
    expected: fact.secret === true ? '(hidden)' : fact.runningValue,
    severity: 'info',
    detail:
      'The file was edited and the node still runs with the old value; the edited value is the one that is compared. Reload or restart on purpose, or take the edit back.',
  };
}
