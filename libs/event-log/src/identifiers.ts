/** A schema's name as it may stand in SQL; throws for anything that would need quoting. */
export function schemaName(schema: string): string {
  if (!/^[a-z][a-z0-9_]{0,62}$/.test(schema))
    throw new RangeError(`"${schema}" is no schema name: lower-case letters, digits and _ only.`);
  return schema;
}

/** The role that a service logs in as. */
export function serviceRole(service: string): string {
  return `understudy_${schemaName(service)}`;
}

export const OWNER_ROLE = 'understudy_owner';
