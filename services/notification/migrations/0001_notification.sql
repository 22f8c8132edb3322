-- Read models of notification, and its work queues. The truth about subscriptions and tickets is the log; read models can be emptied
-- and made again from it. The queues (delivery, webhook_secret) are not made from the log.

create table subscription_view (
  id uuid not null,
  document json not null,
  enabled boolean not null,
  disabled_reason text,
  version integer not null,
  created_by text not null,
  created_at timestamptz not null,
  changed_at timestamptz not null,
  constraint subscription_view_pkey primary key (id)
);

create table ticket_view (
  id uuid not null,
  window_id text not null,
  number text not null,
  status text not null,
  approver text,
  approved_at timestamptz,
  expires_at timestamptz,
  reason text,
  recorded_by text not null,
  version integer not null,
  recorded_at timestamptz not null,
  position bigint not null,
  constraint ticket_view_pkey primary key (id)
);
create index ticket_view_window on ticket_view (window_id, position);

-- What the orchestrator said of its windows: upserts guarded by the source's position.
create table window_view (
  window_id text not null,
  scheduled_by text not null,
  clusters text[] not null,
  opens_at timestamptz not null,
  closes_at timestamptz not null,
  closed boolean not null default false,
  source text not null,
  position bigint not null,
  constraint window_view_pkey primary key (window_id)
);

-- Signing keys. They must be had in clear to sign with, so they are kept out of events (which never go away), views and logs; a row
-- lives as long as its subscription. The two newest of a subscription sign until the older one's day has passed.
create table webhook_secret (
  subscription_id uuid not null,
  generation integer not null,
  secret text not null,
  retires_at timestamptz,
  constraint webhook_secret_pkey primary key (subscription_id, generation)
);

-- One row per event and subscription: inserted when the message is heard (twice = once, by delivery_once), sent by whoever claims it.
create table delivery (
  id uuid not null,
  subscription_id uuid not null,
  source text not null,
  event_id text not null,
  source_position bigint not null,
  type text not null,
  event json not null,
  status text not null default 'pending',
  round integer not null default 1,
  attempts integer not null default 0,
  next_attempt_at timestamptz not null default clock_timestamp(),
  claimed_by uuid,
  claimed_until timestamptz,
  last_reason text,
  -- Milliseconds since the epoch, as a cursor carries it.
  created_ms bigint not null default floor(extract(epoch from clock_timestamp()) * 1000)::bigint,
  ended_at timestamptz,
  constraint delivery_pkey primary key (id),
  constraint delivery_once unique (subscription_id, source, event_id),
  constraint delivery_status check (status in ('pending', 'succeeded', 'exhausted', 'dropped'))
);
create index delivery_due on delivery (next_attempt_at) where status = 'pending';
create index delivery_listed on delivery (created_ms);
create index delivery_ended on delivery (ended_at) where ended_at is not null;
