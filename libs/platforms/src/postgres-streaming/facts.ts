import type { NodeFacts } from '../platform.js';
import { collectServerFacts, versionFact, type Hash } from '../postgres/facts.js';
import { observeDisk } from './disk.js';
import type { Session, SessionNode } from './observe.js';

/** Facts of every node. A node that cannot be asked has none, and says why. */
export function collectFacts(session: Session, hash: Hash, deadlineMs: number): Promise<readonly NodeFacts[]> {
  return Promise.all(session.nodes.map((node) => collectNode(session, node, hash, deadlineMs)));
}

async function collectNode(session: Session, node: SessionNode, hash: Hash, deadlineMs: number): Promise<NodeFacts> {
  const collectedAt = new Date(session.target.now()).toISOString();
  const slug = node.settings.node;
  const [disk, server] = await Promise.all([
    observeDisk(node.settings, node.host, deadlineMs),
    collectServerFacts(session.connections, node, hash, deadlineMs),
  ]);
  const missing: string[] = [];
  if (!disk.seen) missing.push(`host ${node.host.definition.slug}: ${disk.reason}`);
  if (server.status !== 'collected')
    return { node: slug, collectedAt, facts: [], missing: [...missing, `server: ${server.reason}`] };
  const installed = disk.seen ? disk.installedVersion : null;
  return {
    node: slug,
    collectedAt,
    facts: [versionFact('postgresql', installed, server.version), ...server.facts],
    missing: [...missing, ...server.missing],
  };
}
