-- A database as schema 5 left it: m1 waits, m2 is leased.
BEGIN TRANSACTION;
CREATE TABLE agent_status (
  agent_name TEXT PRIMARY KEY,
  status TEXT DEFAULT 'offline',
  last_heartbeat TIMESTAMP,
  metadata TEXT DEFAULT '{}'
, kind TEXT NOT NULL DEFAULT 'agent');
INSERT INTO "agent_status" VALUES('lead','offline',NULL,'{}','agent');
INSERT INTO "agent_status" VALUES('cron','offline',NULL,'{}','agent');
CREATE TABLE conversations (
  conversation TEXT PRIMARY KEY,
  agents TEXT NOT NULL, -- JSON
  begun INTEGER NOT NULL DEFAULT 0 -- the message with which it began anew
) WITHOUT ROWID;
CREATE TABLE decision_places (
  message INTEGER PRIMARY KEY,
  question INTEGER NOT NULL,
  place TEXT NOT NULL -- the agent that shows it: a console, the gateway
);
CREATE TABLE decisions (
  question INTEGER PRIMARY KEY, -- the message that asks
  asked_by TEXT NOT NULL,
  options TEXT NOT NULL DEFAULT '[]', -- JSON; none: an answer in words
  deciders TEXT NOT NULL DEFAULT '[]', -- JSON, who may decide; none: everybody whom the team hears
  fallback TEXT, -- what counts when nobody has decided by the deadline
  deadline TIMESTAMP,
  everywhere INTEGER NOT NULL DEFAULT 0, -- whether it is shown in every place of people, also to who comes later
  state TEXT NOT NULL DEFAULT 'open', -- decided, defaulted, expired, undeliverable, withdrawn
  answer TEXT,
  person TEXT, -- who decided
  decided_by TEXT, -- what they are called
  decided_at TIMESTAMP,
  reminded_at TIMESTAMP
);
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
  outcome TEXT, ladder INTEGER NOT NULL DEFAULT 0, told_at TIMESTAMP,
  PRIMARY KEY (message, recipient)
) WITHOUT ROWID;
INSERT INTO "deliveries" VALUES(1,'lead',NULL,'ready',1795396999701,1,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL);
INSERT INTO "deliveries" VALUES(2,'lead',NULL,'leased',1795396399703,1,NULL,NULL,1,'b1c4add6f46c04b8','2999-11-23 01:24:19.704','2026-11-23 01:23:19.704','2026-11-23 01:23:19.704',NULL,NULL,0,NULL);
CREATE TABLE discord_codes (
  digest TEXT PRIMARY KEY,
  expires_at TIMESTAMP NOT NULL
);
CREATE TABLE discord_facts (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
);
CREATE TABLE discord_people (
  person INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  paired_at TIMESTAMP NOT NULL
);
CREATE TABLE discord_pieces (
  message INTEGER NOT NULL,
  number INTEGER NOT NULL,
  content TEXT NOT NULL,
  files TEXT NOT NULL DEFAULT '[]', -- paths of what goes with it; '' is the message itself, too long for pieces
  nonce TEXT NOT NULL,
  begun_at TIMESTAMP, -- when it was first sent with this nonce; NULL: not yet
  channel INTEGER, -- to where
  snowflake INTEGER, -- once Discord has it
  PRIMARY KEY (message, number)
) WITHOUT ROWID;
CREATE TABLE discord_places (
  channel INTEGER PRIMARY KEY,
  last_seen INTEGER NOT NULL,
  person INTEGER -- whose direct messages these are; Discord does not list them
);
CREATE TABLE discord_questions (
  snowflake INTEGER PRIMARY KEY,
  channel INTEGER NOT NULL,
  shown TEXT NOT NULL DEFAULT '' -- which of our reactions may be there, also after a crash
);
CREATE TABLE discord_relays (
  snowflake INTEGER NOT NULL,
  message INTEGER NOT NULL,
  PRIMARY KEY (snowflake, message)
) WITHOUT ROWID;
CREATE TABLE incident_conversations (
  first INTEGER PRIMARY KEY, -- its first incident; the messages have conversation_id 'incident:FIRST'
  source TEXT NOT NULL,
  name TEXT NOT NULL, -- of the group, or ''
  is_flood INTEGER NOT NULL DEFAULT 0,
  agents TEXT NOT NULL, -- JSON: who is told, one after another
  act_seconds REAL NOT NULL,
  agent TEXT, -- who has it
  step TEXT NOT NULL DEFAULT 'new' CHECK (step IN ('new', 'told', 'rung', 'people', 'command')),
  since TIMESTAMP NOT NULL, -- when that step was taken
  told TEXT NOT NULL DEFAULT '[]', -- JSON: which of the agents were told since the last news
  told_at TIMESTAMP,
  news_due TIMESTAMP, -- when what has been gathered since is to be told
  people_told INTEGER NOT NULL DEFAULT 0,
  acted_by TEXT, -- who has acknowledged, answered or reported since it was last told
  acted_at TIMESTAMP,
  news INTEGER NOT NULL DEFAULT 0, -- how many messages it has
  ended_at TIMESTAMP
);
CREATE TABLE incident_messages (
  message INTEGER PRIMARY KEY,
  first INTEGER NOT NULL,
  recipient TEXT NOT NULL
);
CREATE TABLE incidents (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  source TEXT NOT NULL,
  key TEXT NOT NULL, -- what makes it this problem, within its source
  thing TEXT NOT NULL DEFAULT '',
  severity TEXT NOT NULL,
  title TEXT NOT NULL,
  text TEXT NOT NULL DEFAULT '',
  labels TEXT NOT NULL DEFAULT '{}', -- JSON
  link TEXT NOT NULL DEFAULT '',
  is_test INTEGER NOT NULL DEFAULT 0,
  state TEXT NOT NULL CHECK (state IN ('firing', 'acknowledged', 'resolved')),
  count INTEGER NOT NULL DEFAULT 1, -- how often its source has said so
  first_seen TIMESTAMP NOT NULL,
  last_seen TIMESTAMP NOT NULL,
  began_at TIMESTAMP, -- by the source's clock
  ended_at TIMESTAMP, -- by the source's clock, else by ours
  acknowledged_by TEXT,
  acknowledged_at TIMESTAMP,
  first INTEGER NOT NULL DEFAULT 0, -- the incident with which its conversation began
  muted_by INTEGER, -- a worse one of the same thing
  seen_there INTEGER NOT NULL DEFAULT 0, -- 1: its source was asked, and knew it by these labels
  begins INTEGER NOT NULL DEFAULT 0 -- 1: it began a conversation, or would have but for a flood
);
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
  expires_at TIMESTAMP
, conversation_id TEXT, reply_to TEXT, hops INTEGER NOT NULL DEFAULT 0);
INSERT INTO "messages" VALUES(1,'m1','cron','lead','message','hi','normal','{}','pending','2026-11-23 01:23:19.700',NULL,NULL,NULL,NULL,0);
INSERT INTO "messages" VALUES(2,'m2','cron','lead','message','held','urgent','{}','processing','2026-11-23 01:23:19.702',NULL,NULL,NULL,NULL,0);
CREATE TABLE refused_payloads (
  id INTEGER PRIMARY KEY,
  source TEXT NOT NULL,
  digest TEXT NOT NULL, -- of all of it
  reason TEXT NOT NULL, -- of the refusal
  payload TEXT NOT NULL, -- its beginning
  bytes INTEGER NOT NULL, -- how long all of it was
  times INTEGER NOT NULL DEFAULT 1, -- how often it came
  first_at TIMESTAMP NOT NULL,
  last_at TIMESTAMP NOT NULL,
  UNIQUE (source, digest)
);
CREATE TABLE relays (
  message INTEGER PRIMARY KEY, -- as the agent has it
  question INTEGER NOT NULL, -- as the person wrote it
  conversation TEXT,
  person TEXT NOT NULL,
  agent TEXT NOT NULL,
  begun_at TIMESTAMP NOT NULL,
  told TEXT NOT NULL DEFAULT '', -- the progress that the person was told last
  reminded_at TIMESTAMP -- when the agent was reminded
);
CREATE TABLE replaced_messages (id INTEGER NOT NULL);
CREATE TABLE signs_of_life (
  source TEXT NOT NULL,
  key TEXT NOT NULL,
  title TEXT NOT NULL,
  seen_at TIMESTAMP NOT NULL,
  PRIMARY KEY (source, key)
) WITHOUT ROWID;
CREATE INDEX agent_status_folded ON agent_status (lower(agent_name));
CREATE INDEX messages_conversation ON messages (conversation_id, id) WHERE conversation_id IS NOT NULL;
CREATE INDEX messages_reply ON messages (reply_to) WHERE reply_to IS NOT NULL;
CREATE INDEX deliveries_claim ON deliveries (recipient, rank, message)
  WHERE state = 'ready' AND is_head = 1 AND available_at IS NULL;
CREATE INDEX deliveries_open ON deliveries (recipient, conversation_id, message) WHERE done_at IS NULL;
CREATE INDEX deliveries_backoff ON deliveries (recipient, available_at)
  WHERE state = 'ready' AND available_at IS NOT NULL;
CREATE INDEX deliveries_lease ON deliveries (recipient, lease_expires_at) WHERE state = 'leased';
CREATE INDEX deliveries_expiry ON deliveries (recipient, expires_at) WHERE state = 'ready' AND expires_at IS NOT NULL;
CREATE TRIGGER messages_note_replaced BEFORE INSERT ON messages
WHEN EXISTS (SELECT 1 FROM messages WHERE message_id = NEW.message_id OR id = NEW.id)
BEGIN
  INSERT INTO replaced_messages SELECT id FROM messages WHERE message_id = NEW.message_id OR id = NEW.id;
END;
CREATE TRIGGER messages_note_replaced_by_update BEFORE UPDATE OF id, message_id ON messages
WHEN EXISTS (SELECT 1 FROM messages WHERE (message_id = NEW.message_id OR id = NEW.id) AND id <> OLD.id)
BEGIN
  INSERT INTO replaced_messages
    SELECT id FROM messages WHERE (message_id = NEW.message_id OR id = NEW.id) AND id <> OLD.id;
END;
CREATE TRIGGER messages_renamed AFTER UPDATE OF id, message_id ON messages
BEGIN
  DELETE FROM deliveries WHERE message IN
    (SELECT id FROM replaced_messages WHERE id <> OLD.id AND (id = NEW.id OR id NOT IN (SELECT id FROM messages)));
  DELETE FROM replaced_messages;
  UPDATE deliveries SET message = NEW.id WHERE message = OLD.id AND OLD.id <> NEW.id;
END;
CREATE TRIGGER messages_deliver AFTER INSERT ON messages
BEGIN
  -- After INSERT OR IGNORE of a known message its note stands here although nothing was replaced.
  DELETE FROM deliveries WHERE message IN
    (SELECT id FROM replaced_messages WHERE id = NEW.id OR id NOT IN (SELECT id FROM messages));
  DELETE FROM replaced_messages;

  INSERT OR IGNORE INTO deliveries (message, recipient, conversation_id, rank, is_head, expires_at)
  SELECT NEW.id, r.name, NEW.conversation_id,
    CAST((julianday('now') - 2440587.5) * 86400000.0 + 0.5 AS INTEGER)
      - CASE NEW.priority WHEN 'urgent' THEN 600000 WHEN 'high' THEN 60000 WHEN 'low' THEN -60000 ELSE 0 END,
    NEW.conversation_id IS NULL OR NOT EXISTS (SELECT 1 FROM deliveries AS older
      WHERE older.recipient = r.name AND older.conversation_id = NEW.conversation_id AND older.done_at IS NULL),
    CASE typeof(NEW.expires_at) WHEN 'text' THEN strftime('%Y-%m-%d %H:%M:%f', NEW.expires_at)
      ELSE strftime('%Y-%m-%d %H:%M:%f', NEW.expires_at, 'unixepoch') END
  FROM (
    SELECT lower(trim(NEW.recipient, ' ' || char(9, 10, 13))) AS name WHERE NEW.recipient IS NOT NULL
    UNION ALL
    SELECT lower(agent_name) FROM agent_status
      WHERE NEW.recipient IS NULL AND agent_name IS NOT NULL AND kind NOT IN ('console', 'supervisor')
        AND lower(agent_name) <> lower(trim(NEW.sender))
  ) AS r
  WHERE coalesce(NEW.status, 'pending') = 'pending';
END;
CREATE TRIGGER messages_to_nobody AFTER INSERT ON messages
WHEN NEW.recipient IS NULL AND coalesce(NEW.status, 'pending') = 'pending' AND NOT EXISTS
  (SELECT 1 FROM agent_status WHERE kind NOT IN ('console', 'supervisor') AND agent_name IS NOT NULL
    AND lower(agent_name) <> lower(trim(NEW.sender)))
BEGIN
  UPDATE messages SET status = 'processed', processed_at = strftime('%Y-%m-%d %H:%M:%f', 'now') WHERE id = NEW.id;
END;
CREATE TRIGGER messages_normalise_created AFTER INSERT ON messages
WHEN NOT (typeof(NEW.created_at) = 'text' AND length(NEW.created_at) IN (19, 23)
  AND substr(NEW.created_at, 1, 19) IS strftime('%Y-%m-%d %H:%M:%S', NEW.created_at))
BEGIN
  UPDATE messages SET created_at = coalesce(
      CASE typeof(created_at) WHEN 'text' THEN strftime('%Y-%m-%d %H:%M:%f', created_at)
        ELSE strftime('%Y-%m-%d %H:%M:%f', created_at, 'unixepoch') END,
      strftime('%Y-%m-%d %H:%M:%f', 'now'))
    WHERE id = NEW.id;
END;
CREATE TRIGGER messages_normalise_expires AFTER INSERT ON messages
WHEN NEW.expires_at IS NOT NULL AND NOT (typeof(NEW.expires_at) = 'text' AND length(NEW.expires_at) IN (19, 23)
  AND substr(NEW.expires_at, 1, 19) IS strftime('%Y-%m-%d %H:%M:%S', NEW.expires_at))
BEGIN
  UPDATE messages SET expires_at =
      CASE typeof(expires_at) WHEN 'text' THEN strftime('%Y-%m-%d %H:%M:%f', expires_at)
        ELSE strftime('%Y-%m-%d %H:%M:%f', expires_at, 'unixepoch') END
    WHERE id = NEW.id;
END;
CREATE TRIGGER messages_delete AFTER DELETE ON messages
BEGIN
  DELETE FROM deliveries WHERE message = OLD.id;
END;
CREATE TRIGGER messages_processed AFTER UPDATE OF status ON messages
WHEN NEW.status = 'processed' AND OLD.status IS NOT 'processed' AND NEW.recipient IS NOT NULL
BEGIN
  UPDATE deliveries SET state = 'done', outcome = 'processed', lease_token = NULL, lease_expires_at = NULL,
      done_at = strftime('%Y-%m-%d %H:%M:%f', 'now')
    WHERE message = NEW.id AND done_at IS NULL;
END;
CREATE TRIGGER messages_taken AFTER UPDATE OF status ON messages
WHEN NEW.status = 'processing' AND OLD.status IS NOT 'processing' AND NEW.recipient IS NOT NULL
BEGIN
  UPDATE deliveries SET state = 'leased', lease_token = NULL, read_at = strftime('%Y-%m-%d %H:%M:%f', 'now'),
      lease_expires_at = strftime('%Y-%m-%d %H:%M:%f', 'now', '+5 minutes')
    WHERE message = NEW.id AND state = 'ready';
END;
CREATE TRIGGER messages_given_back AFTER UPDATE OF status ON messages
WHEN NEW.status = 'pending' AND OLD.status = 'processing' AND NEW.recipient IS NOT NULL
BEGIN
  UPDATE deliveries SET state = 'ready', read_at = NULL, lease_expires_at = NULL
    WHERE message = NEW.id AND state = 'leased' AND lease_token IS NULL;
  UPDATE messages SET status = 'processing'
    WHERE id = NEW.id AND EXISTS (SELECT 1 FROM deliveries WHERE message = NEW.id AND state = 'leased');
END;
CREATE TRIGGER messages_reopened AFTER UPDATE OF status, recipient ON messages
WHEN NEW.recipient IS NOT NULL AND (
  (NEW.recipient IS NOT OLD.recipient AND NEW.status IN ('pending', 'processing'))
  OR (NEW.status = 'pending' AND OLD.status IS NOT 'pending'
    AND NOT EXISTS (SELECT 1 FROM deliveries WHERE message = NEW.id AND done_at IS NULL)))
BEGIN
  DELETE FROM deliveries WHERE message = NEW.id;
  INSERT INTO deliveries (message, recipient, conversation_id, rank, is_head, expires_at)
  SELECT NEW.id, lower(trim(NEW.recipient, ' ' || char(9, 10, 13))), NEW.conversation_id,
    CAST((julianday('now') - 2440587.5) * 86400000.0 + 0.5 AS INTEGER)
      - CASE NEW.priority WHEN 'urgent' THEN 600000 WHEN 'high' THEN 60000 WHEN 'low' THEN -60000 ELSE 0 END,
    NEW.conversation_id IS NULL OR NOT EXISTS (SELECT 1 FROM deliveries AS older
      WHERE older.recipient = lower(trim(NEW.recipient, ' ' || char(9, 10, 13)))
        AND older.conversation_id = NEW.conversation_id AND older.done_at IS NULL),
    NEW.expires_at;
  UPDATE messages SET status = 'pending', processed_at = NULL WHERE id = NEW.id;
END;
CREATE TRIGGER deliveries_leased AFTER UPDATE OF state ON deliveries
WHEN NEW.state = 'leased' AND OLD.state <> 'leased'
BEGIN
  UPDATE messages SET status = 'processing' WHERE id = NEW.message AND status = 'pending' AND recipient IS NOT NULL;
END;
CREATE TRIGGER deliveries_returned AFTER UPDATE OF state ON deliveries
WHEN NEW.state = 'ready' AND OLD.state <> 'ready'
BEGIN
  UPDATE messages SET status = 'pending', processed_at = NULL WHERE id = NEW.message AND status <> 'pending';
END;
CREATE TRIGGER deliveries_ended AFTER UPDATE OF done_at ON deliveries
WHEN NEW.done_at IS NOT NULL AND OLD.done_at IS NULL
BEGIN
  UPDATE deliveries SET is_head = 1
    WHERE NEW.conversation_id IS NOT NULL AND recipient = NEW.recipient AND message =
      (SELECT message FROM deliveries WHERE recipient = NEW.recipient AND conversation_id = NEW.conversation_id
        AND done_at IS NULL ORDER BY message LIMIT 1)
    AND NOT EXISTS (SELECT 1 FROM deliveries WHERE recipient = NEW.recipient AND conversation_id = NEW.conversation_id
      AND done_at IS NULL AND is_head = 1);
  UPDATE messages SET processed_at = coalesce(processed_at, NEW.done_at),
      status = CASE WHEN EXISTS (SELECT 1 FROM deliveries WHERE message = NEW.message AND state = 'done')
        THEN 'processed' ELSE NEW.state END
    WHERE id = NEW.message AND NOT EXISTS (SELECT 1 FROM deliveries WHERE message = NEW.message AND done_at IS NULL);
END;
CREATE TRIGGER deliveries_deleted AFTER DELETE ON deliveries
WHEN OLD.done_at IS NULL AND OLD.conversation_id IS NOT NULL
BEGIN
  UPDATE deliveries SET is_head = 1
    WHERE recipient = OLD.recipient AND message =
      (SELECT message FROM deliveries WHERE recipient = OLD.recipient AND conversation_id = OLD.conversation_id
        AND done_at IS NULL ORDER BY message LIMIT 1)
    AND NOT EXISTS (SELECT 1 FROM deliveries WHERE recipient = OLD.recipient AND conversation_id = OLD.conversation_id
      AND done_at IS NULL AND is_head = 1);
END;
CREATE INDEX discord_pieces_there ON discord_pieces (snowflake) WHERE snowflake IS NOT NULL;
CREATE TRIGGER messages_delete_pieces AFTER DELETE ON messages
BEGIN
  DELETE FROM discord_pieces WHERE message = OLD.id;
END;
CREATE INDEX relays_of_a_person ON relays (person);
CREATE INDEX relays_of_a_conversation ON relays (conversation);
CREATE TRIGGER messages_delete_relays AFTER DELETE ON messages
BEGIN
  DELETE FROM relays WHERE message = OLD.id OR question = OLD.id;
END;
CREATE INDEX decisions_open ON decisions (question) WHERE state = 'open';
CREATE INDEX decision_places_of ON decision_places (question);
CREATE TRIGGER messages_delete_decisions_asked AFTER DELETE ON messages
BEGIN
  DELETE FROM decisions WHERE question = OLD.id;
  DELETE FROM decision_places WHERE message = OLD.id OR question = OLD.id;
END;
CREATE INDEX incidents_key ON incidents (source, key, id);
CREATE UNIQUE INDEX incidents_open ON incidents (source, key) WHERE state <> 'resolved';
CREATE INDEX incidents_thing ON incidents (source, thing) WHERE state <> 'resolved' AND thing <> '';
CREATE INDEX incidents_first ON incidents (first, severity) WHERE state <> 'resolved';
CREATE INDEX incidents_told ON incidents (first);
CREATE INDEX incidents_muted ON incidents (muted_by) WHERE muted_by IS NOT NULL;
CREATE INDEX incidents_rate ON incidents (source, first_seen) WHERE begins = 1;
CREATE INDEX incidents_ended ON incidents (ended_at) WHERE state = 'resolved';
CREATE INDEX incident_conversations_open ON incident_conversations (source, name) WHERE ended_at IS NULL;
CREATE INDEX incident_conversations_named ON incident_conversations (source, name, first) WHERE name <> '';
CREATE INDEX incident_messages_of ON incident_messages (first, recipient);
CREATE TRIGGER messages_delete_incident_messages AFTER DELETE ON messages
BEGIN
  DELETE FROM incident_messages WHERE message = OLD.id;
END;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('messages',2);
COMMIT;
PRAGMA user_version=5;
