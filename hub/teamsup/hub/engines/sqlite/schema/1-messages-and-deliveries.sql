-- The original design: two tables whose raw SQL is a public interface. Columns may be added behind these, never
-- renamed or removed.

CREATE TABLE IF NOT EXISTS messages (
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
  expires_at TIMESTAMP
);

CREATE TABLE IF NOT EXISTS agent_status (
  agent_name TEXT PRIMARY KEY,
  status TEXT DEFAULT 'offline',
  last_heartbeat TIMESTAMP,
  metadata TEXT DEFAULT '{}'
);

ALTER TABLE messages ADD COLUMN conversation_id TEXT;
ALTER TABLE messages ADD COLUMN reply_to TEXT; -- message_id of the message that this one answers
ALTER TABLE messages ADD COLUMN hops INTEGER NOT NULL DEFAULT 0; -- replies between agents since a person or daemon

ALTER TABLE agent_status ADD COLUMN kind TEXT NOT NULL DEFAULT 'agent'; -- agent, daemon, console or supervisor

CREATE INDEX agent_status_folded ON agent_status (lower(agent_name));
CREATE INDEX messages_conversation ON messages (conversation_id, id) WHERE conversation_id IS NOT NULL;
CREATE INDEX messages_reply ON messages (reply_to) WHERE reply_to IS NOT NULL;

-- One row per message and recipient. Clustered by message, so that a send appends.
--   state         ready -> leased -> done | dead | expired | cancelled
--   rank          the order of reading: ms since 1970 minus the boost of the priority, fixed at insert
--   is_head       1: nothing older of its conversation is open for this recipient, so it may be claimed
--   available_at  NULL: now; else the end of its backoff
--   done_at       when it ended, however it ended; NULL means open

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
  PRIMARY KEY (message, recipient)
) WITHOUT ROWID;

-- What waits for the clock or for its conversation stands in none of the index that a claim reads, so a claim costs
-- the same behind a hundred thousand of them.
CREATE INDEX deliveries_claim ON deliveries (recipient, rank, message)
  WHERE state = 'ready' AND is_head = 1 AND available_at IS NULL;
CREATE INDEX deliveries_open ON deliveries (recipient, conversation_id, message) WHERE done_at IS NULL;
CREATE INDEX deliveries_backoff ON deliveries (recipient, available_at)
  WHERE state = 'ready' AND available_at IS NOT NULL;
CREATE INDEX deliveries_lease ON deliveries (recipient, lease_expires_at) WHERE state = 'leased';
CREATE INDEX deliveries_expiry ON deliveries (recipient, expires_at) WHERE state = 'ready' AND expires_at IS NOT NULL;

-- Ids that INSERT OR REPLACE or UPDATE OR REPLACE is about to remove: they fire no DELETE trigger, and only a BEFORE
-- trigger still sees them.
CREATE TABLE replaced_messages (id INTEGER NOT NULL);
