-- For a time nobody is notified of the incidents that a mute matches. They are still recorded.
CREATE TABLE IF NOT EXISTS mutes (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  matchers TEXT NOT NULL DEFAULT '[]', -- JSON: texts such as "job=backup"; all must match
  incidents TEXT NOT NULL DEFAULT '[]', -- JSON: or the numbers of incidents
  severity TEXT NOT NULL DEFAULT 'critical', -- an incident that is worse is not muted
  created_by TEXT NOT NULL,
  created_by_id TEXT, -- which person that was
  created_at TIMESTAMP NOT NULL,
  ends_at TIMESTAMP NOT NULL
);
CREATE INDEX IF NOT EXISTS mutes_end ON mutes (ends_at);

-- The mute that an incident has, by its number or the name of its section; NULL: none.
ALTER TABLE incidents ADD COLUMN mute TEXT;
ALTER TABLE incidents ADD COLUMN mute_by TEXT;
ALTER TABLE incidents ADD COLUMN mute_by_id TEXT;
ALTER TABLE incidents ADD COLUMN mute_ends_at TIMESTAMP;
CREATE INDEX IF NOT EXISTS incidents_with_mute ON incidents (mute) WHERE mute IS NOT NULL;
