-- What monitoring has reported, and what became of it.

-- One problem of one monitored subject, from its first alert to its end.
CREATE TABLE IF NOT EXISTS incidents (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  source TEXT NOT NULL,
  fingerprint TEXT NOT NULL, -- what makes it this problem, within its source
  subject TEXT NOT NULL DEFAULT '',
  severity TEXT NOT NULL,
  title TEXT NOT NULL,
  text TEXT NOT NULL DEFAULT '',
  labels TEXT NOT NULL DEFAULT '{}', -- JSON
  link TEXT NOT NULL DEFAULT '',
  is_test INTEGER NOT NULL DEFAULT 0,
  state TEXT NOT NULL CHECK (state IN ('firing', 'acknowledged', 'resolved')),
  count INTEGER NOT NULL DEFAULT 1, -- how often its source has reported it
  first_seen TIMESTAMP NOT NULL,
  last_seen TIMESTAMP NOT NULL,
  began_at TIMESTAMP, -- by the source's clock
  ended_at TIMESTAMP, -- by the source's clock, else by ours
  acknowledged_by TEXT,
  acknowledged_at TIMESTAMP,
  group_id INTEGER NOT NULL DEFAULT 0, -- the incident with which its group began
  inhibited_by INTEGER, -- a worse one of the same subject
  seen_at_source INTEGER NOT NULL DEFAULT 0, -- 1: its source was asked, and knew it by these labels
  opened_group INTEGER NOT NULL DEFAULT 0, -- 1: it began a group, or would have but for a storm
  stale_at TIMESTAMP -- when we noticed that its source does not repeat it
);
CREATE UNIQUE INDEX IF NOT EXISTS incidents_open ON incidents (source, fingerprint) WHERE state <> 'resolved';
CREATE INDEX IF NOT EXISTS incidents_fingerprint ON incidents (source, fingerprint, id);
CREATE INDEX IF NOT EXISTS incidents_subject ON incidents (source, subject) WHERE state <> 'resolved' AND subject <> '';
CREATE INDEX IF NOT EXISTS incidents_open_of_group ON incidents (group_id, severity) WHERE state <> 'resolved';
CREATE INDEX IF NOT EXISTS incidents_group ON incidents (group_id);
CREATE INDEX IF NOT EXISTS incidents_inhibited ON incidents (inhibited_by) WHERE inhibited_by IS NOT NULL;
CREATE INDEX IF NOT EXISTS incidents_rate ON incidents (source, first_seen) WHERE opened_group = 1;
CREATE INDEX IF NOT EXISTS incidents_ended ON incidents (ended_at) WHERE state = 'resolved';

-- What is reported and seen through as one: a single incident, a group of the source, or a storm.
CREATE TABLE IF NOT EXISTS incident_groups (
  group_id INTEGER PRIMARY KEY, -- its first incident; the messages have conversation_id 'incident:GROUP_ID'
  source TEXT NOT NULL,
  name TEXT NOT NULL, -- of the group, or ''
  is_storm INTEGER NOT NULL DEFAULT 0,
  agents TEXT NOT NULL, -- JSON: who is notified, one after another
  ack_timeout_seconds REAL NOT NULL,
  agent TEXT, -- who has it
  step TEXT NOT NULL DEFAULT 'new' CHECK (step IN ('new', 'told', 'rung', 'people', 'command')),
  since TIMESTAMP NOT NULL, -- when that step was taken
  notified TEXT NOT NULL DEFAULT '[]', -- JSON: which of the agents were notified since the last change
  notified_at TIMESTAMP,
  notify_at TIMESTAMP, -- when what has been gathered since is to be sent
  people_notified INTEGER NOT NULL DEFAULT 0,
  responded_by TEXT, -- who has acknowledged, answered or reported since the last notification
  responded_at TIMESTAMP,
  message_count INTEGER NOT NULL DEFAULT 0, -- how many messages it has
  ended_at TIMESTAMP
);
CREATE INDEX IF NOT EXISTS incident_groups_open ON incident_groups (source, name) WHERE ended_at IS NULL;
CREATE INDEX IF NOT EXISTS incident_groups_named ON incident_groups (source, name, group_id) WHERE name <> '';

-- The messages that reported it.
CREATE TABLE IF NOT EXISTS incident_messages (
  message INTEGER PRIMARY KEY,
  group_id INTEGER NOT NULL,
  recipient TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS incident_messages_group ON incident_messages (group_id, recipient);

-- When an expected heartbeat of a source came last.
CREATE TABLE IF NOT EXISTS source_heartbeats (
  source TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  title TEXT NOT NULL,
  seen_at TIMESTAMP NOT NULL,
  PRIMARY KEY (source, fingerprint)
) WITHOUT ROWID;

-- What sources have sent and we could not read; bounded in size and number.
CREATE TABLE IF NOT EXISTS rejected_payloads (
  id INTEGER PRIMARY KEY,
  source TEXT NOT NULL,
  digest TEXT NOT NULL, -- of all of it
  reason TEXT NOT NULL, -- of the rejection
  payload TEXT NOT NULL, -- its beginning
  bytes INTEGER NOT NULL, -- how long all of it was
  times INTEGER NOT NULL DEFAULT 1, -- how often it came
  first_at TIMESTAMP NOT NULL,
  last_at TIMESTAMP NOT NULL,
  UNIQUE (source, digest)
);
