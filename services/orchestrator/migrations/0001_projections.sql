-- Read models of the orchestrator. The truth is the log; these can be emptied and rebuilt from it.

create table cluster_directory (
  slug text constraint cluster_directory_pk primary key,
  definition json not null,
  retired boolean not null default false,
  source text not null,
  source_position bigint not null
);

create table window_view (
  window_id uuid constraint window_view_pk primary key,
  version integer not null,
  position bigint not null,
  status text not null,
  kind text not null,
  clusters text[] not null,
  rollouts uuid[] not null,
  patch_set_id uuid not null,
  playbook text not null,
  opens_at timestamptz not null,
  closes_at timestamptz not null,
  scheduled_by text not null,
  approved_by text
);
create index window_view_unfinished on window_view (opens_at) where status in ('scheduled', 'open', 'frozen');

create table rollout_view (
  rollout_id uuid constraint rollout_view_pk primary key,
  version integer not null,
  position bigint not null,
  window_id uuid not null,
  cluster text not null,
  kind text not null,
  status text not null,
  result text,
  step text,
  fingerprint text not null,
  planned_at timestamptz not null,
  closed_at timestamptz,
  longest_interruption_ms double precision
);
create index rollout_view_unfinished on rollout_view (position) where status <> 'closed';
create index rollout_view_window on rollout_view (window_id);
create index rollout_view_cluster on rollout_view (cluster, position);

create table named_document (
  kind text not null,
  name text not null,
  version integer not null,
  position bigint not null,
  document json not null,
  constraint named_document_pk primary key (kind, name)
);

create table twin_fidelity (
  cluster text constraint twin_fidelity_pk primary key,
  twin_of text not null,
  score integer not null,
  source text not null,
  source_position bigint not null
);
