-- The hub's tables in a new database. The numbered scripts make the same tables from older ones. A test compares both.

-- The original design: two tables whose raw SQL is a public interface. New columns may follow these, which are never
-- renamed or removed.
CREATE TABLE messages (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  message_id TEXT UNIQUE NOT NULL,
  sender TEXT NOT NULL,
  recipient TEXT, -- NULL: broadcast
  message_type TEXT DEFAULT 'message',
  content TEXT NOT NULL,
  priority TEXT DEFAULT 'normal',
  metadata TEXT DEFAULT '{}',
  status TEXT DEFAULT 'pending',
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  processed_at TIMESTAMP,
  expires_at TIMESTAMP,
  conversation_id TEXT,
  reply_to TEXT, -- message_id of the message that this one answers
  hops INTEGER NOT NULL DEFAULT 0 -- replies between agents since a person or daemon
);
CREATE INDEX messages_conversation ON messages (conversation_id, id) WHERE conversation_id IS NOT NULL;
CREATE INDEX messages_reply ON messages (reply_to) WHERE reply_to IS NOT NULL;

CREATE TABLE agent_status (
  agent_name TEXT PRIMARY KEY,
  status TEXT DEFAULT 'offline',
  last_heartbeat TIMESTAMP,
  metadata TEXT DEFAULT '{}',
  kind TEXT NOT NULL DEFAULT 'agent', -- agent, daemon, console or supervisor
  enrolled_at TIMESTAMP,
  is_watched INTEGER NOT NULL DEFAULT 0, -- 1: it sends heartbeats, so it may be missed
  is_set_up INTEGER NOT NULL DEFAULT 1 -- 0: an optional worker that nobody has configured; broadcasts are not for it
);
CREATE INDEX agent_status_folded ON agent_status (lower(agent_name));

-- One row per message and recipient. Clustered by message, so that a send appends.
--   state         ready -> leased -> done | dead | expired | cancelled
--   rank          the order of reading: ms since 1970 minus the boost of the priority, fixed at insert
--   is_head       1: nothing older of its conversation is open for this recipient, so it may be claimed
--   available_at  NULL: now; else the end of its backoff
--   done_at       when it ended, however it ended; NULL means open
--   wake_steps    which steps of the wake ladder have been taken: 1 announced, 2 asked, 4 woken
--   sender_notified_at  when the sender was told that its agent does not read
--   wait_seconds  how long a lease or backoff was to last: after a step of the clock it lasts no longer
CREATE TABLE deliveries (
  message INTEGER NOT NULL,
  recipient TEXT NOT NULL,
  conversation_id TEXT,
  state TEXT NOT NULL DEFAULT 'ready' CHECK (state IN ('ready', 'leased', 'done', 'dead', 'expired', 'cancelled')),
  rank INTEGER NOT NULL,
  is_head INTEGER NOT NULL DEFAULT 1,
  available_at TIMESTAMP,
  expires_at TIMESTAMP,
  attempts INTEGER NOT NULL DEFAULT 0,
  lease_token TEXT,
  lease_expires_at TIMESTAMP,
  offered_at TIMESTAMP,
  read_at TIMESTAMP,
  done_at TIMESTAMP,
  outcome TEXT,
  wake_steps INTEGER NOT NULL DEFAULT 0,
  sender_notified_at TIMESTAMP,
  wait_seconds REAL,
  PRIMARY KEY (message, recipient)
) WITHOUT ROWID;

-- Deliveries that wait for a later time or for their conversation are not in the index that a claim reads. So a claim
-- costs the same behind a hundred thousand of them.
CREATE INDEX deliveries_claim ON deliveries (recipient, rank, message)
  WHERE state = 'ready' AND is_head = 1 AND available_at IS NULL;
CREATE INDEX deliveries_open ON deliveries (recipient, conversation_id, message) WHERE done_at IS NULL;
CREATE INDEX deliveries_backoff ON deliveries (recipient, available_at)
  WHERE state = 'ready' AND available_at IS NOT NULL;
CREATE INDEX deliveries_lease ON deliveries (recipient, lease_expires_at) WHERE state = 'leased';
CREATE INDEX deliveries_expiry ON deliveries (recipient, expires_at) WHERE state = 'ready' AND expires_at IS NOT NULL;
CREATE INDEX deliveries_dead ON deliveries (done_at) WHERE state = 'dead';

-- Ids that INSERT OR REPLACE or UPDATE OR REPLACE is about to remove: they fire no DELETE trigger, and only a BEFORE
-- trigger still sees them.
CREATE TABLE replaced_messages (id INTEGER NOT NULL);

-- The latest time of a writer, in Unix seconds. A writer that finds it ahead knows that the clock went back.
CREATE TABLE clock_mark (seen_at REAL NOT NULL);
INSERT INTO clock_mark VALUES (0);

-- How much models have sent: once full_until is too far ahead, a sender has to wait.
CREATE TABLE send_rates (
  sender TEXT PRIMARY KEY,
  full_until REAL NOT NULL -- Unix seconds; each message puts it ahead by its share of a minute
) WITHOUT ROWID;

-- How often two agents have taken turns in writing to each other.
CREATE TABLE exchanges (
  pair TEXT PRIMARY KEY,
  speaker TEXT NOT NULL, -- who wrote last
  turns INTEGER NOT NULL,
  last_at REAL NOT NULL, -- Unix seconds
  since INTEGER NOT NULL -- the newest message before the first of them
) WITHOUT ROWID;

-- The versions of the tables that components keep here.
CREATE TABLE schema_versions (
  component TEXT PRIMARY KEY,
  version INTEGER NOT NULL -- 0: made by the scripts 3 to 12, before the component made its tables itself
) WITHOUT ROWID;
