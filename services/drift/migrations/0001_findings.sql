-- Read models of drift. The truth is the log; these can be emptied and made again from it.

create table finding_view (
  finding_id text collate "C" not null,
  cluster text collate "C" not null,
  node text not null,
  against text not null,
  area text not null,
  name text not null,
  value text not null,
  expected text not null,
  severity text not null,
  detail text not null,
  state text not null,
  waiver json,
  opened_at timestamptz not null,
  changed_at timestamptz not null,
  position bigint not null,
  constraint finding_view_pkey primary key (finding_id)
);
create index finding_view_cluster on finding_view (cluster, finding_id);

-- Which findings a cluster has is asked per cluster; which clusters there are, by the clock that lets waivers lapse.
create table ledger_view (
  cluster text collate "C" not null,
  twin_of text not null,
  fidelity json,
  position bigint not null,
  constraint ledger_view_pkey primary key (cluster)
);
create index ledger_view_twin on ledger_view (twin_of) where twin_of <> '';

create table baseline_view (
  name text collate "C" not null,
  revision integer not null,
  baseline json not null,
  position bigint not null,
  constraint baseline_view_pkey primary key (name)
);

do $grants$
begin
  execute format(
    'grant select, insert, update, delete, truncate on finding_view, ledger_view, baseline_view to %I',
    'understudy_' || current_schema()
  );
end
$grants$;
