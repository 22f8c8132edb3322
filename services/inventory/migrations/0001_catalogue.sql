-- Read models of the inventory, and its work queue. The truth is the log; read models can be emptied and made again from it.

-- One row per slug that was ever registered: the document, and what follows from what was seen.
create table cluster_view (
  slug text collate "C" not null,
  revision integer not null,
  retired boolean not null,
  platform text not null,
  environment text not null,
  twin_of text,
  ha_layer text,
  definition json not null,
  classification json,
  snapshot json,
  facts json,
  registered_at timestamptz not null,
  changed_at timestamptz not null,
  position bigint not null,
  constraint cluster_view_pkey primary key (slug)
);

-- How long fixes have been available and not applied.
create table debt_view (
  cluster text collate "C" not null,
  node text collate "C" not null,
  patch_set_id text collate "C" not null,
  advisories text[] not null,
  available_since timestamptz not null,
  days integer not null,
  settled boolean not null,
  position bigint not null,
  constraint debt_view_pkey primary key (cluster, node, patch_set_id)
);

-- Patch sets as the orchestrator published them.
create table patch_set_view (
  patch_set_id text collate "C" not null,
  patch_set json not null,
  position bigint not null,
  constraint patch_set_view_pkey primary key (patch_set_id)
);

-- Work queue: facts that were asked for and are not collected yet. A restart goes on with it.
create table facts_request (
  request_id text collate "C" not null,
  cluster text not null,
  deadline timestamptz not null,
  heard_at timestamptz not null default clock_timestamp(),
  constraint facts_request_pkey primary key (request_id)
);

-- When a cluster was last looked at, and why that told nothing, if so. Written at every look; never published.
create table last_look (
  cluster text collate "C" not null,
  looked_at timestamptz not null,
  complete boolean not null,
  problem text,
  constraint last_look_pkey primary key (cluster)
);

do $grants$
begin
  execute format(
    'grant select, insert, update, delete, truncate on cluster_view, debt_view, patch_set_view, facts_request, last_look to %I',
    'understudy_' || current_schema()
  );
end
$grants$;
