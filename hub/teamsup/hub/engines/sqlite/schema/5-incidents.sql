-- What monitoring has said, and what became of it.

-- One problem of one monitored thing, from its first news to its end.
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
CREATE INDEX incidents_key ON incidents (source, key, id);
CREATE UNIQUE INDEX incidents_open ON incidents (source, key) WHERE state <> 'resolved';
CREATE INDEX incidents_thing ON incidents (source, thing) WHERE state <> 'resolved' AND thing <> '';
CREATE INDEX incidents_first ON incidents (first, severity) WHERE state <> 'resolved';
CREATE INDEX incidents_told ON incidents (first);
CREATE INDEX incidents_muted ON incidents (muted_by) WHERE muted_by IS NOT NULL;
CREATE INDEX incidents_rate ON incidents (source, first_seen) WHERE begins = 1;
CREATE INDEX incidents_ended ON incidents (ended_at) WHERE state = 'resolved';

-- What is told and seen through as one: a single problem, a group of the source, or a flood.
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
CREATE INDEX incident_conversations_open ON incident_conversations (source, name) WHERE ended_at IS NULL;
CREATE INDEX incident_conversations_named ON incident_conversations (source, name, first) WHERE name <> '';

-- The messages that told of it.
CREATE TABLE incident_messages (
  message INTEGER PRIMARY KEY,
  first INTEGER NOT NULL,
  recipient TEXT NOT NULL
);
CREATE INDEX incident_messages_of ON incident_messages (first, recipient);

CREATE TRIGGER messages_delete_incident_messages AFTER DELETE ON messages
BEGIN
  DELETE FROM incident_messages WHERE message = OLD.id;
END;

-- When a sign of life that is expected came last.
CREATE TABLE signs_of_life (
  source TEXT NOT NULL,
  key TEXT NOT NULL,
  title TEXT NOT NULL,
  seen_at TIMESTAMP NOT NULL,
  PRIMARY KEY (source, key)
) WITHOUT ROWID;

-- What sources have sent and nobody could make sense of; bounded in size and number.
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
