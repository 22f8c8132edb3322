/** A schema as text, from the catalogue: what the migrations come to, readable in a review and comparable in CI. */
import type pg from 'pg';
import { schemaName } from './identifiers.js';

interface Section {
  readonly title: string;
  readonly sql: string;
}

/** Every statement answers rows of one column `line`, sorted; $1 is the schema. */
const SECTIONS: readonly Section[] = [
  {
    title: 'tables',
    sql: `
      select c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
        || case when a.attcollation <> 0 and co.collname <> 'default' then ' collate "' || co.collname || '"' else '' end
        || case when a.attnotnull then ' not null' else '' end
        || case when a.attidentity <> '' then ' identity' else '' end
        || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '') as line
      from pg_class c
      join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
      left join pg_collation co on co.oid = a.attcollation
      where c.relnamespace = $1::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
      order by c.relname collate "C", a.attnum`,
  },
  {
    title: 'constraints',
    sql: `
      select conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) as line
      from pg_constraint where connamespace = $1::regnamespace and contype <> 'n' order by conrelid::regclass::text collate "C", conname collate "C"`,
  },
  {
    title: 'indexes',
    sql: `select indexdef as line from pg_indexes where schemaname = $1 order by tablename collate "C", indexname collate "C"`,
  },
  {
    title: 'triggers',
    sql: `
      select pg_get_triggerdef(t.oid)
        || case t.tgenabled when 'A' then ' -- always' when 'O' then '' else ' -- not enabled: ' || t.tgenabled::text end as line
      from pg_trigger t join pg_class c on c.oid = t.tgrelid
      where c.relnamespace = $1::regnamespace and not t.tgisinternal order by c.relname collate "C", t.tgname collate "C"`,
  },
  {
    title: 'functions (source by SHA-256)',
    sql: `
      select p.proname || '(' || pg_get_function_arguments(p.oid) || ') ' || l.lanname
        || case when p.prosecdef then ' security definer' else '' end
        || coalesce(' set ' || array_to_string(p.proconfig, ' set '), '')
        || ' owner ' || p.proowner::regrole
        || ' source ' || encode(sha256(convert_to(p.prosrc, 'UTF8')), 'hex') as line
      from pg_proc p join pg_language l on l.oid = p.prolang
      where p.pronamespace = $1::regnamespace order by p.proname collate "C"`,
  },
  {
    title: 'sequences',
    sql: `select c.relname as line from pg_class c where c.relnamespace = $1::regnamespace and c.relkind = 'S' order by 1`,
  },
  {
    title: 'rights beside the owner',
    sql: `
      select kind || ' ' || name || ': ' || coalesce(g.rolname, 'public') || ' '
        || string_agg(x.privilege_type, ', ' order by x.privilege_type) as line
      from (
        select 'table' as kind, c.relname as name, coalesce(c.relacl, acldefault('r', c.relowner)) as acl
        from pg_class c where c.relnamespace = $1::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
        union all
        select 'function', p.proname, coalesce(p.proacl, acldefault('f', p.proowner)) from pg_proc p where p.pronamespace = $1::regnamespace
        union all
        select 'schema', n.nspname, coalesce(n.nspacl, acldefault('n', n.nspowner)) from pg_namespace n where n.oid = $1::regnamespace
      ) o
      cross join aclexplode(o.acl) x left join pg_roles g on g.oid = x.grantee
      where coalesce(g.rolname, 'public') <> 'understudy_owner'
      group by kind, name, g.rolname
      order by kind collate "C", name collate "C", coalesce(g.rolname, 'public') collate "C"`,
  },
];

/** Tables with columns, constraints, indexes, triggers, functions and who may do what, without anything that differs from day to day. */
export async function printSchema(client: pg.ClientBase | pg.Pool, schema: string): Promise<string> {
  const parts: string[] = [];
  for (const { title, sql } of SECTIONS) {
    const { rows } = await client.query<{ line: string }>(sql, [schemaName(schema)]);
    if (rows.length > 0) parts.push([`-- ${title}`, ...rows.map((row) => row.line)].join('\n'));
  }
  return `${parts.join('\n\n')}\n`;
}
