-- Ids that a foreign program chose too far ahead, and all behind them, go on after the last one that is not.
CREATE TABLE renumbered AS
  SELECT id AS old, row_number() OVER (ORDER BY id)
    + (SELECT coalesce(max(id), 0) FROM messages WHERE id <= 1000000000000000) AS new
  FROM messages WHERE id > 1000000000000000;
UPDATE OR REPLACE deliveries SET message = new FROM renumbered WHERE message = old;
UPDATE OR REPLACE discord_pieces SET message = new FROM renumbered WHERE message = old;
UPDATE OR REPLACE discord_relays SET message = new FROM renumbered WHERE message = old;
UPDATE OR REPLACE conversations SET begun = new FROM renumbered WHERE begun = old;
UPDATE OR REPLACE relays SET message = new FROM renumbered WHERE message = old;
UPDATE OR REPLACE relays SET question = new FROM renumbered WHERE question = old;
UPDATE OR REPLACE decisions SET question = new FROM renumbered WHERE question = old;
UPDATE OR REPLACE decision_places SET message = new FROM renumbered WHERE message = old;
UPDATE OR REPLACE decision_places SET question = new FROM renumbered WHERE question = old;
UPDATE OR REPLACE incident_messages SET message = new FROM renumbered WHERE message = old;
UPDATE messages SET id = new FROM renumbered WHERE id = old;
UPDATE sqlite_sequence SET seq = (SELECT coalesce(max(id), 0) FROM messages)
  WHERE name = 'messages' AND seq > 1000000000000000;
DROP TABLE renumbered;

-- How many seconds a lease or backoff was told to last: after a step of the clock it lasts no longer than that.
ALTER TABLE deliveries ADD COLUMN wait_seconds REAL;
-- The latest time of a writer, in Unix seconds. A writer that finds it ahead knows that the clock went back.
CREATE TABLE clock_mark (seen_at REAL NOT NULL);
INSERT INTO clock_mark VALUES (0);

ALTER TABLE agent_status ADD COLUMN enrolled_at TIMESTAMP;
UPDATE agent_status SET enrolled_at = strftime('%Y-%m-%d %H:%M:%f', 'now');
ALTER TABLE agent_status ADD COLUMN is_watched INTEGER NOT NULL DEFAULT 0; -- 1: it sends heartbeats, so it may be missed
