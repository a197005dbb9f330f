-- The hub's tables in PostgreSQL. They have the columns and the meaning of those in SQLite: sqlite/schema/baseline.sql.
-- Texts compare bytewise, times have milliseconds, and the triggers draw the ids.

CREATE SEQUENCE messages_id;

CREATE TABLE messages (
  id BIGINT PRIMARY KEY,
  message_id TEXT COLLATE "C" UNIQUE NOT NULL,
  sender TEXT COLLATE "C" NOT NULL,
  recipient TEXT COLLATE "C",
  message_type TEXT COLLATE "C" DEFAULT 'message',
  content TEXT COLLATE "C" NOT NULL,
  priority TEXT COLLATE "C" DEFAULT 'normal',
  metadata TEXT COLLATE "C" DEFAULT '{}',
  status TEXT COLLATE "C" DEFAULT 'pending',
  created_at TIMESTAMPTZ(3) DEFAULT clock_timestamp(),
  processed_at TIMESTAMPTZ(3),
  expires_at TIMESTAMPTZ(3),
  conversation_id TEXT COLLATE "C",
  reply_to TEXT COLLATE "C",
  hops BIGINT NOT NULL DEFAULT 0
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
CREATE INDEX messages_conversation ON messages (conversation_id, id) WHERE conversation_id IS NOT NULL;
CREATE INDEX messages_reply ON messages (reply_to) WHERE reply_to IS NOT NULL;
CREATE INDEX messages_words ON messages USING gin (to_tsvector('simple', content));

CREATE TABLE agent_status (
  agent_name TEXT COLLATE "C" PRIMARY KEY,
  status TEXT COLLATE "C" DEFAULT 'offline',
  last_heartbeat TIMESTAMPTZ(3),
  metadata TEXT COLLATE "C" DEFAULT '{}',
  kind TEXT COLLATE "C" NOT NULL DEFAULT 'agent',
  enrolled_at TIMESTAMPTZ(3) DEFAULT clock_timestamp(),
  is_watched BIGINT NOT NULL DEFAULT 0,
  is_set_up BIGINT NOT NULL DEFAULT 1
) WITH (fillfactor = 70);
CREATE INDEX agent_status_folded ON agent_status (lower(agent_name));

CREATE TABLE deliveries (
  message BIGINT NOT NULL,
  recipient TEXT COLLATE "C" NOT NULL,
  conversation_id TEXT COLLATE "C",
  state TEXT COLLATE "C" NOT NULL DEFAULT 'ready'
    CHECK (state IN ('ready', 'leased', 'done', 'dead', 'expired', 'cancelled')),
  rank BIGINT NOT NULL,
  is_head BIGINT NOT NULL DEFAULT 1,
  available_at TIMESTAMPTZ(3),
  expires_at TIMESTAMPTZ(3),
  attempts BIGINT NOT NULL DEFAULT 0,
  lease_token TEXT COLLATE "C",
  lease_expires_at TIMESTAMPTZ(3),
  offered_at TIMESTAMPTZ(3),
  read_at TIMESTAMPTZ(3),
  done_at TIMESTAMPTZ(3),
  outcome TEXT COLLATE "C",
  wake_steps BIGINT NOT NULL DEFAULT 0,
  sender_notified_at TIMESTAMPTZ(3),
  wait_seconds DOUBLE PRECISION,
  PRIMARY KEY (message, recipient)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
CREATE INDEX deliveries_claim ON deliveries (recipient, rank, message)
  WHERE state = 'ready' AND is_head = 1 AND available_at IS NULL;
CREATE INDEX deliveries_open ON deliveries (recipient, conversation_id, message) WHERE done_at IS NULL;
CREATE INDEX deliveries_backoff ON deliveries (recipient, available_at)
  WHERE state = 'ready' AND available_at IS NOT NULL;
CREATE INDEX deliveries_lease ON deliveries (recipient, lease_expires_at) WHERE state = 'leased';
CREATE INDEX deliveries_expiry ON deliveries (recipient, expires_at) WHERE state = 'ready' AND expires_at IS NOT NULL;

CREATE TABLE clock_mark (seen_at DOUBLE PRECISION NOT NULL) WITH (fillfactor = 10);
INSERT INTO clock_mark VALUES (0);

CREATE TABLE send_rates (
  sender TEXT COLLATE "C" PRIMARY KEY,
  full_until DOUBLE PRECISION NOT NULL
);

CREATE TABLE exchanges (
  pair TEXT COLLATE "C" PRIMARY KEY,
  speaker TEXT COLLATE "C" NOT NULL,
  turns BIGINT NOT NULL,
  last_at DOUBLE PRECISION NOT NULL,
  since BIGINT NOT NULL
);

CREATE TABLE schema_versions (
  component TEXT COLLATE "C" PRIMARY KEY, -- of the hub's own tables: hub
  version BIGINT NOT NULL
);

-- The team whose schema this is. A mistaken address must not mix two teams.
CREATE TABLE stored_team (name TEXT COLLATE "C" PRIMARY KEY);

-- The hosts on which a process of the team listens for those of other hosts.
CREATE TABLE listening_hosts (
  host TEXT COLLATE "C" PRIMARY KEY,
  seen_at TIMESTAMPTZ(3) NOT NULL
);

-- The hosts with a supervisor, as each last reported. The state is JSON.
CREATE TABLE team_hosts (
  identity TEXT COLLATE "C" PRIMARY KEY,
  name TEXT COLLATE "C" NOT NULL,
  seen_at TIMESTAMPTZ(3) NOT NULL,
  has_ended BOOLEAN NOT NULL,
  state TEXT COLLATE "C" NOT NULL
) WITH (fillfactor = 50);

-- The leases of roles that exist once in the team. A row stays when its lease has ended.
CREATE TABLE role_leases (
  role TEXT COLLATE "C" PRIMARY KEY,
  holder TEXT COLLATE "C" NOT NULL, -- the identity of a host; empty: it does not want the role any more
  host TEXT COLLATE "C" NOT NULL,
  token BIGINT NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL
) WITH (fillfactor = 50);

-- Requests from the supervisor that answers for the team to those of other hosts.
CREATE TABLE host_requests (
  number BIGINT PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  host TEXT COLLATE "C" NOT NULL, -- its identity
  sender TEXT COLLATE "C" NOT NULL,
  content TEXT COLLATE "C" NOT NULL,
  may_act BOOLEAN NOT NULL,
  seconds DOUBLE PRECISION NOT NULL,
  asked_at TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),
  is_taken BOOLEAN NOT NULL DEFAULT false,
  answer TEXT COLLATE "C",
  exit_code BIGINT
);
