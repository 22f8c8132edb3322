/** The rights that the document of topics amounts to, as ACLs. */
import type { AclEntry, Admin } from 'kafkajs';
import kafkajs from 'kafkajs';
import type { TopicPlan } from './document.js';

export interface Right {
  /** `User:<name>`. */
  readonly principal: string;
  readonly operation: 'read' | 'write' | 'describe';
  readonly resource: 'topic' | 'group';
  readonly name: string;
}

const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs;
const OPERATIONS = {
  read: AclOperationTypes.READ,
  write: AclOperationTypes.WRITE,
  describe: AclOperationTypes.DESCRIBE,
} as const;
const RESOURCES = { topic: AclResourceTypes.TOPIC, group: AclResourceTypes.GROUP } as const;
const ANY_HOST = '*';

/** One principal writes a topic; each reader reads it, and in the group of its own name. */
export function rightsOf(plan: readonly TopicPlan[]): readonly Right[] {
  const onTopic = (user: string, operation: Right['operation'], name: string): Right => ({
    principal: `User:${user}`,
    operation,
    resource: 'topic',
    name,
  });
  const readers = [...new Set(plan.flatMap(({ consumers }) => consumers))];
  return [
    ...plan.flatMap(({ name, producer, consumers }) => [
      onTopic(producer, 'write', name),
      onTopic(producer, 'describe', name),
      ...consumers.flatMap((reader) => [onTopic(reader, 'read', name), onTopic(reader, 'describe', name)]),
    ]),
    ...readers.map((reader): Right => ({ principal: `User:${reader}`, operation: 'read', resource: 'group', name: reader })),
  ];
}

export function toAclEntry({ principal, operation, resource, name }: Right): AclEntry {
  return {
    resourceType: RESOURCES[resource],
    resourceName: name,
    resourcePatternType: ResourcePatternTypes.LITERAL,
    principal,
    host: ANY_HOST,
    operation: OPERATIONS[operation],
    permissionType: AclPermissionTypes.ALLOW,
  };
}

async function existing(admin: Admin): Promise<readonly AclEntry[]> {
  const { resources } = await admin.describeAcls({
    resourceType: AclResourceTypes.ANY,
    resourcePatternType: ResourcePatternTypes.ANY,
    operation: AclOperationTypes.ANY,
    permissionType: AclPermissionTypes.ANY,
  });
  return resources.flatMap(({ acls, ...resource }) => acls.map((acl) => ({ ...acl, ...resource })));
}

export async function missingRights(admin: Admin, wanted: readonly Right[]): Promise<readonly Right[]> {
  const known = new Set((await existing(admin)).map(textOf));
  return wanted.filter((right) => !known.has(textOf(toAclEntry(right))));
}

/** Whoever else may write one of our topics, one sentence each. */
export async function surplusWriters(admin: Admin, plan: readonly TopicPlan[]): Promise<readonly string[]> {
  const writes: readonly number[] = [AclOperationTypes.WRITE, AclOperationTypes.ALL];
  const acls = await existing(admin);
  return plan.flatMap(({ name, producer }) =>
    acls
      .filter((acl) => acl.permissionType === AclPermissionTypes.ALLOW && writes.includes(acl.operation) && covers(acl, name))
      .filter(({ principal }) => principal !== `User:${producer}`)
      .map(
        ({ principal }) =>
          `${principal} may write to ${name} as well: only User:${producer} may, so take that right away with your Kafka's own tools`,
      ),
  );
}

function covers(acl: AclEntry, topic: string): boolean {
  if (acl.resourceType !== AclResourceTypes.TOPIC) return false;
  if (acl.resourcePatternType === ResourcePatternTypes.PREFIXED) return topic.startsWith(acl.resourceName);
  return acl.resourceName === topic || acl.resourceName === '*';
}

function textOf(acl: AclEntry): string {
  const { resourceType, resourceName, resourcePatternType, principal, host, operation, permissionType } = acl;
  return [resourceType, resourceName, resourcePatternType, principal, host, operation, permissionType].join(' ');
}
