import { XMLParser } from 'fast-xml-parser';
import type { Cib, ConfiguredResource, Constraint, CrmStatus, Failure, Instance, Member, Quorum, Resource } from './snapshot.js';

/**
 * Pure readers of what Pacemaker 2.0 to 3.0 and Corosync 3 print. A part of another shape is read as left out; a text that
 * cannot be read at all is undefined, never a guess.
 */

const MOST_XML_CHARACTERS = 4 * 1024 * 1024;
const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  parseAttributeValue: false,
  parseTagValue: false,
  isArray: (_name, _path, _leaf, isAttribute) => !isAttribute,
});

type Element = Readonly<Record<string, unknown>>;

/** The element of this name at the root of an XML text. Undefined: the text is none, is too long, or has another root. */
function root(xml: string, name: string): Element | undefined {
  if (xml.length > MOST_XML_CHARACTERS) return undefined;
  try {
    return children({ root: [parser.parse(xml, true) as unknown] }, 'root').flatMap((top) => children(top, name))[0];
  } catch {
    return undefined;
  }
}

function children(element: Element | undefined, name: string): readonly Element[] {
  const found = element?.[name];
  return Array.isArray(found) ? found.map((each) => (typeof each === 'object' && each !== null ? (each as Element) : {})) : [];
}

function at(element: Element | undefined, ...path: readonly string[]): Element | undefined {
  return path.reduce<Element | undefined>((here, name) => children(here, name)[0], element);
}

function text(element: Element | undefined, attribute: string): string | null {
  const value = element?.[`@${attribute}`];
  return typeof value === 'string' ? value.slice(0, 500) : null;
}

function isTrue(element: Element | undefined, ...attributes: readonly string[]): boolean {
  return attributes.some((attribute) => text(element, attribute) === 'true');
}

/** `crm_mon -1 --output-as=xml`. Undefined also where it says that it is not connected. */
export function readCrmMon(xml: string): CrmStatus | undefined {
  const result = root(xml, 'pacemaker-result');
  const summary = at(result, 'summary');
  const nodes = at(result, 'nodes');
  if (summary === undefined || nodes === undefined || text(at(result, 'status'), 'code') !== '0') return undefined;
  const dc = at(summary, 'current_dc');
  const options = at(summary, 'cluster_options');
  const attributes = children(at(result, 'node_attributes'), 'node').map(
    (node) => [text(node, 'name') ?? '', named(children(node, 'attribute'))] as const,
  );
  return {
    dc: isTrue(dc, 'present') ? text(dc, 'name') : null,
    dcVersion: text(dc, 'version'),
    hasQuorum: isTrue(dc, 'with_quorum'),
    isFencing: isTrue(options, 'fencing-enabled', 'stonith-enabled'),
    noQuorumPolicy: text(options, 'no-quorum-policy') ?? 'stop',
    isMaintenance: isTrue(options, 'maintenance-mode'),
    isStopAll: isTrue(options, 'stop-all-resources'),
    members: children(nodes, 'node').map(readMember),
    resources: readResources(at(result, 'resources')),
    attributes: Object.fromEntries(attributes),
    failures: children(at(result, 'failures'), 'failure').map(readFailure),
    fencing: children(at(result, 'fence_history'), 'fence_event')
      .filter((event) => text(event, 'status') !== 'success')
      .map((event) => `${text(event, 'action') ?? 'fencing'} of ${text(event, 'target') ?? 'a node'}: ${text(event, 'status')}`),
  };
}

function readMember(node: Element): Member {
  return {
    name: text(node, 'name') ?? '',
    id: text(node, 'id') ?? '',
    isOnline: isTrue(node, 'online'),
    isStandby: isTrue(node, 'standby', 'standby_onfail'),
    isMaintenance: isTrue(node, 'maintenance'),
    isPending: isTrue(node, 'pending'),
    isUnclean: isTrue(node, 'unclean'),
    isLeaving: isTrue(node, 'shutdown'),
    isDc: isTrue(node, 'is_dc'),
    health: text(node, 'health') ?? 'green',
    type: text(node, 'type') ?? 'member',
  };
}

function readResources(resources: Element | undefined): readonly Resource[] {
  return [
    ...children(resources, 'resource').map((each) => resource(each, 'primitive', [readInstance(each)])),
    ...children(resources, 'group').map((each) => resource(each, 'group', instancesBelow(each))),
    ...children(resources, 'clone').map((each) => resource(each, 'clone', instancesBelow(each))),
    ...children(resources, 'bundle').map((each) =>
      resource(
        each,
        'bundle',
        children(each, 'replica').flatMap((replica) => instancesBelow(replica)),
      ),
    ),
  ];
}

function resource(element: Element, kind: Resource['kind'], instances: readonly Instance[]): Resource {
  return { id: text(element, 'id') ?? '', kind, isPromotable: isTrue(element, 'multi_state'), instances };
}

/** A clone of a group holds groups. */
function instancesBelow(element: Element): readonly Instance[] {
  return [...children(element, 'resource').map(readInstance), ...children(element, 'group').flatMap(instancesBelow)];
}

/** Words of before Pacemaker 2.1. */
const NEWER: Readonly<Record<string, string>> = { Master: 'Promoted', Slave: 'Unpromoted' };

function readInstance(element: Element): Instance {
  const role = text(element, 'role') ?? 'Unknown';
  return {
    id: text(element, 'id') ?? '',
    agent: text(element, 'resource_agent') ?? '',
    role: NEWER[role] ?? role,
    on: children(element, 'node').flatMap((node) => text(node, 'name') ?? []),
    isFailed: isTrue(element, 'failed'),
    isBlocked: isTrue(element, 'blocked'),
    isManaged: isTrue(element, 'managed'),
    isOrphaned: isTrue(element, 'orphaned', 'removed'),
    pending: text(element, 'pending'),
  };
}

/** The name of the resource is what stands before the task and the interval: `web_start_0`, `db_monitor_10000`. */
function readFailure(failure: Element): Failure {
  const [key, id] = [text(failure, 'op_key'), text(failure, 'id')];
  const task = text(failure, 'task') ?? 'an action';
  const member = text(failure, 'node') ?? '';
  const resource = id ?? /^(.+)_[a-z-]+_\d+$/.exec(key ?? '')?.[1] ?? key ?? '';
  const reason = text(failure, 'exitreason') ?? '';
  const said = text(failure, 'exitstatus') ?? `code ${text(failure, 'exitcode') ?? 'unknown'}`;
  return { resource, task, member, what: `${task} of ${resource} on ${member}: ${said}${reason === '' ? '' : ` (${reason})`}` };
}

function named(elements: readonly Element[]): Readonly<Record<string, string>> {
  return Object.fromEntries(elements.map((each) => [text(each, 'name') ?? '', text(each, 'value') ?? '']));
}

/** `cibadmin --query --scope configuration`, the parameters of resources taken out. */
export function readCib(xml: string): Cib | undefined {
  const configuration = root(xml, 'configuration');
  if (configuration === undefined) return undefined;
  const properties = metaOf(at(configuration, 'crm_config'), 'cluster_property_set');
  const stickiness = metaOf(at(configuration, 'rsc_defaults'), 'meta_attributes')['resource-stickiness'];
  const constraints = Object.entries(at(configuration, 'constraints') ?? {});
  return {
    clusterName: properties['cluster-name'] ?? null,
    properties,
    constraints: constraints.flatMap(([kind, each]) => (kind.startsWith('@') || !Array.isArray(each) ? [] : all(kind, each))),
    resources: configured(at(configuration, 'resources'), null),
    defaultStickiness: stickiness === undefined ? null : scoreOf(stickiness),
  };
}

function all(kind: string, elements: readonly unknown[]): readonly Constraint[] {
  return children({ [kind]: elements }, kind).map((each) => ({
    id: text(each, 'id') ?? '',
    kind,
    resource: text(each, 'rsc') ?? text(each, 'first'),
    member: text(each, 'node'),
    role: text(each, 'role'),
    score: text(each, 'score') ?? text(at(each, 'rule'), 'score'),
  }));
}

function metaOf(element: Element | undefined, set: string): Readonly<Record<string, string>> {
  return named(children(element, set).flatMap((each) => children(each, 'nvpair')));
}

function configured(element: Element | undefined, within: string | null): readonly ConfiguredResource[] {
  const holders = ['group', 'clone', 'master', 'bundle'].flatMap((kind) =>
    children(element, kind).flatMap((each) => [one(each, kind, within), ...configured(each, text(each, 'id'))]),
  );
  const primitives = children(element, 'primitive').map((each) => {
    const type = [text(each, 'class'), text(each, 'provider'), text(each, 'type')].filter((part) => part !== null).join(':');
    return one(each, type, within);
  });
  return [...primitives, ...holders];
}

function one(element: Element, type: string, within: string | null): ConfiguredResource {
  const operations = children(at(element, 'operations'), 'op').map((op) => {
    const attributes = Object.entries(op).filter(([name, value]) => name.startsWith('@') && typeof value === 'string');
    const rest = attributes
      .filter(([name]) => !/^@(id|name)$/.test(name))
      .map(([name, value]) => `${name.slice(1)}=${String(value)}`);
    return [[text(op, 'name'), text(op, 'role'), text(op, 'interval')].filter(Boolean).join(' '), rest.sort().join(' ')] as const;
  });
  return {
    id: text(element, 'id') ?? '',
    within,
    type,
    meta: metaOf(element, 'meta_attributes'),
    operations: Object.fromEntries(operations),
  };
}

/** Pacemaker's scores: a number, or INFINITY as its million. Null: it is none, e.g. the name of an attribute. */
export function scoreOf(value: string): number | null {
  if (/^\+?INFINITY$/i.test(value)) return 1_000_000;
  if (/^-INFINITY$/i.test(value)) return -1_000_000;
  return /^[+-]?\d+$/.test(value) ? Math.max(-1_000_000, Math.min(1_000_000, Number(value))) : null;
}

/** `corosync-quorumtool -s`. What it does not say is null. */
export function readQuorum(output: string): Quorum {
  const value = (name: string): string | null => new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(output)?.[1]?.trim() ?? null;
  const count = (name: string): number | null => {
    const digits = /^\d+/.exec(value(name) ?? '')?.[0];
    return digits === undefined ? null : Number(digits);
  };
  const quorate = value('Quorate');
  const rows = [...output.matchAll(/^[ \t]*(\d+)[ \t]+(\d+)[ \t]+\S/gm)];
  return {
    expected: count('Expected votes'),
    total: count('Total votes'),
    needed: count('Quorum'),
    isQuorate: quorate === null ? null : quorate === 'Yes',
    flags: (value('Flags') ?? '').split(/\s+/).filter((flag) => flag !== ''),
    votes: Object.fromEntries(rows.map((row) => [row[1] as string, Number(row[2])])),
  };
}

/** `crm_simulate --simulate --output-as=xml`: the resources as they will be. Undefined: it did not say. */
export function readSimulation(xml: string): readonly Resource[] | undefined {
  const revised = at(root(xml, 'pacemaker-result'), 'revised_cluster_status');
  return revised === undefined ? undefined : readResources(at(revised, 'resources'));
}

/** Parts of a text that a line `== NAME WORDS` opens each: by name, the words and what follows. */
export function sections(output: string): Readonly<Record<string, { readonly words: string; readonly body: string }>> {
  const parts = output.split(/^== /m).slice(1);
  return Object.fromEntries(
    parts.map((part) => {
      const end = part.indexOf('\n');
      const [name = '', ...words] = (end < 0 ? part : part.slice(0, end)).trim().split(' ');
      return [name, { words: words.join(' '), body: end < 0 ? '' : part.slice(end + 1) }];
    }),
  );
}
