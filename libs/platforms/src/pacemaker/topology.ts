import type { Answering, Constraint, Instance, Member, PacemakerNode, PacemakerSnapshot, Resource, Stack } from './snapshot.js';

/** Pure readings of a snapshot that summary, checks and verbs share. */

export function viewOf(node: PacemakerNode): Answering | undefined {
  return node.view.says === 'answers' ? node.view : undefined;
}

export function stackOf(node: PacemakerNode): Stack | undefined {
  return node.stack.seen ? node.stack : undefined;
}

export function nodeNamed(snapshot: PacemakerSnapshot, name: string): PacemakerNode | undefined {
  return snapshot.nodes.find((node) => node.node === name);
}

/** The cluster as those see it that have the majority; undefined: nobody tells. */
export function picture(snapshot: PacemakerSnapshot): Answering | undefined {
  const views = snapshot.nodes.flatMap((node) => viewOf(node) ?? []);
  return views.find(({ crm }) => crm.hasQuorum) ?? views[0];
}

/** Nothing of the stack runs on the host: certainly down. What ran there was stopped with it, or died with the host. */
export function isDown(node: PacemakerNode): boolean {
  const stack = stackOf(node);
  return stack !== undefined && [stack.pacemaker, stack.corosync].every((unit) => isOff(unit.activeState));
}

export function isOff(activeState: string): boolean {
  return activeState === 'inactive' || activeState === 'failed';
}

export function isHeld(node: PacemakerNode): boolean {
  const stack = stackOf(node);
  return stack !== undefined && (stack.pacemaker.held || stack.corosync.held);
}

/** Drained by us: both units held, and down. */
export function isDrained(node: PacemakerNode): boolean {
  const stack = stackOf(node);
  return stack !== undefined && stack.pacemaker.held && stack.corosync.held && isDown(node);
}

/** What runs there is known: the cluster is seen from it, or nothing of it runs. */
export function isKnown(node: PacemakerNode): boolean {
  return viewOf(node) !== undefined || isDown(node);
}

/** Sentences about the nodes of which it is not known how they are. */
export function unknownOnes(snapshot: PacemakerSnapshot): readonly string[] {
  return snapshot.nodes.filter((node) => !isKnown(node)).map((node) => `node ${node.node}: ${whyUnknown(node)}`);
}

function whyUnknown({ stack, view }: PacemakerNode): string {
  const silence = view.says === 'nothing' ? `the cluster cannot be seen from it (${view.reason})` : 'it answers';
  return stack.seen
    ? `${silence}; pacemaker is ${stack.pacemaker.activeState}, corosync ${stack.corosync.activeState}`
    : `${silence} and its host could not be looked at (${stack.reason})`;
}

/** As the cluster has it. */
export function memberOf(snapshot: PacemakerSnapshot, node: PacemakerNode): Member | undefined {
  return picture(snapshot)?.crm.members.find(({ name }) => name === node.member);
}

/** A member that resources may run on, as the cluster has it. */
export function isOnline(snapshot: PacemakerSnapshot, node: PacemakerNode): boolean {
  const member = memberOf(snapshot, node);
  return member !== undefined && member.isOnline && !member.isPending && !member.isUnclean && !member.isLeaving && !isDown(node);
}

export function resourceNamed(resources: readonly Resource[], id: string): Resource | undefined {
  return resources.find((resource) => resource.id === id);
}

/** Names of the members that serve the resource: the promoted ones of a promotable clone, else those that all of it has started on. */
export function servedBy(resource: Resource | undefined): readonly string[] {
  if (resource === undefined || resource.instances.length === 0) return [];
  if (resource.isPromotable) return resource.instances.filter(({ role }) => role === 'Promoted').flatMap(({ on }) => on);
  const [first, ...others] = resource.instances;
  const isAllOn = (member: string): boolean => others.every((each) => isStarted(each) && each.on.includes(member));
  return first !== undefined && isStarted(first) ? first.on.filter(isAllOn) : [];
}

function isStarted({ role }: Instance): boolean {
  return role === 'Started' || role === 'Promoted' || role === 'Unpromoted';
}

/** Names of the members that anything of it is active on. */
export function touchedBy(resource: Resource | undefined): ReadonlySet<string> {
  return new Set((resource?.instances ?? []).flatMap(({ on }) => on));
}

/** The only node that serves the workload, by everything that its cluster says. */
export function activeOf(snapshot: PacemakerSnapshot, workload: string): PacemakerNode | undefined {
  const seen = picture(snapshot);
  const members = seen === undefined ? [] : servedBy(resourceNamed(seen.crm.resources, workload));
  return members.length === 1 ? snapshot.nodes.find(({ member }) => member === members[0]) : undefined;
}

export function serves(snapshot: PacemakerSnapshot, node: PacemakerNode): boolean {
  return snapshot.workloads.some((workload) => activeOf(snapshot, workload) === node);
}

/** What the resource agent says of promoting it there: above zero is an offer. Null: none is told. Undefined: it is not promotable. */
export function offer(snapshot: PacemakerSnapshot, workload: string, node: PacemakerNode): number | null | undefined {
  const seen = picture(snapshot);
  const resource = seen && resourceNamed(seen.crm.resources, workload);
  if (seen === undefined || resource === undefined || !resource.isPromotable) return undefined;
  const names = new Set(resource.instances.map(({ id }) => `master-${id.replace(/:\d+$/, '')}`));
  const told = Object.entries(seen.crm.attributes[node.member] ?? {}).find(([name]) => names.has(name))?.[1];
  return told !== undefined && /^-?\d+$/.test(told) ? Number(told) : null;
}

/** Ready to serve as far as the cluster knows: a replica that its agent offers, or a member that the resource may run on. */
export function isJoined(snapshot: PacemakerSnapshot, workload: string, node: PacemakerNode): boolean {
  if (activeOf(snapshot, workload) === node) return true;
  const seen = picture(snapshot);
  const resource = seen && resourceNamed(seen.crm.resources, workload);
  if (resource === undefined || !isOnline(snapshot, node) || memberOf(snapshot, node)?.isStandby !== false) return false;
  if (!resource.isPromotable) return true;
  const own = resource.instances.find(({ on }) => on.includes(node.member));
  return own !== undefined && own.role === 'Unpromoted' && !own.isFailed && isOffered(snapshot, workload, node);
}

/**
 * The agent that leads says with its monitor what it offers. A replica with a better score than the one that leads has it from before the
 * last promotion, and it says nothing of now.
 */
function isOffered(snapshot: PacemakerSnapshot, workload: string, node: PacemakerNode): boolean {
  const score = offer(snapshot, workload, node) ?? 0;
  const active = activeOf(snapshot, workload);
  return score > 0 && active !== undefined && score <= (offer(snapshot, workload, active) ?? 0);
}

export function isJoinedToAll(snapshot: PacemakerSnapshot, node: PacemakerNode): boolean {
  return snapshot.workloads.every((workload) => isJoined(snapshot, workload, node));
}

/** Not taken out by us, and not on standby by anybody. */
export function isElectable(snapshot: PacemakerSnapshot, node: PacemakerNode): boolean {
  return (
    !isHeld(node) &&
    stackOf(node)?.standbyIsOurs === false &&
    memberOf(snapshot, node)?.isStandby === false &&
    bans(snapshot, node).length === 0
  );
}

const BAN = 'understudy-ban-';
const MOVE = 'understudy-move-';

export function isOurs({ id }: Constraint): boolean {
  return id.startsWith(BAN) || id.startsWith(MOVE);
}

/** Constraints of ours that keep workloads from the node. */
export function bans(snapshot: PacemakerSnapshot, node: PacemakerNode): readonly Constraint[] {
  return constraints(snapshot).filter(({ id, member }) => id.startsWith(BAN) && member === node.member);
}

/** Our own constraint that moves the workload, while it lies there. */
export function moveOf(snapshot: PacemakerSnapshot, workload: string): Constraint | undefined {
  return constraints(snapshot).find(({ id }) => id === `${MOVE}${workload}`);
}

export function constraints(snapshot: PacemakerSnapshot): readonly Constraint[] {
  return picture(snapshot)?.cib.constraints ?? [];
}

/** Why the node may never lead, by its owner or by a constraint of theirs; undefined: nothing. */
export function notPromotable(snapshot: PacemakerSnapshot, node: PacemakerNode): string | undefined {
  if (node.notPromotable !== undefined) return node.notPromotable;
  const against = constraints(snapshot).find(
    ({ id, kind, resource, member, score }) =>
      kind === 'rsc_location' &&
      !id.startsWith(BAN) &&
      member === node.member &&
      score === '-INFINITY' &&
      snapshot.workloads.includes(resource ?? ''),
  );
  return against === undefined ? undefined : `the constraint ${against.id} keeps ${against.resource} from it`;
}

export function isFit(snapshot: PacemakerSnapshot, workload: string, node: PacemakerNode): boolean {
  return (
    activeOf(snapshot, workload) !== node &&
    isJoined(snapshot, workload, node) &&
    isElectable(snapshot, node) &&
    notPromotable(snapshot, node) === undefined
  );
}

/** Sentences: what the cluster is just doing. */
export function underWay(snapshot: PacemakerSnapshot): readonly string[] {
  const seen = picture(snapshot);
  if (seen === undefined) return [];
  const pending = seen.crm.resources.flatMap(({ instances }) =>
    instances.flatMap(({ id, pending: what, on }) => (what === null ? [] : [`${id} on ${on.join(', ') || 'a node'}: ${what}`])),
  );
  const moving = seen.crm.resources.flatMap(({ instances }) =>
    instances.filter(({ role }) => /ing$/.test(role)).map(({ id, role }) => `${id} is ${role}`),
  );
  const coming = seen.crm.members.filter(({ isPending, isLeaving, isOnline: on }) => isPending || (isLeaving && on));
  return [...pending, ...moving, ...coming.map(({ name }) => `node ${name} is coming or going`)];
}

/** Votes that would be left without the node, and how many are needed. Undefined: corosync does not tell. */
export function votesWithout(
  snapshot: PacemakerSnapshot,
  leaving?: PacemakerNode,
): { readonly left: number; readonly needed: number } | undefined {
  const seen = picture(snapshot);
  if (seen === undefined || seen.quorum.total === null || seen.quorum.needed === null) return undefined;
  const member = leaving === undefined ? undefined : memberOf(snapshot, leaving);
  const own = member === undefined ? 0 : (seen.quorum.votes[member.id] ?? 0);
  return { left: seen.quorum.total - own, needed: seen.quorum.needed };
}
