-- Tables, columns and metadata by the words that this field has for them.
ALTER TABLE deliveries RENAME COLUMN ladder TO wake_steps;
ALTER TABLE deliveries RENAME COLUMN told_at TO sender_notified_at;

DROP TRIGGER IF EXISTS messages_delete_pieces;
DROP INDEX IF EXISTS discord_pieces_there;
ALTER TABLE discord_places RENAME TO discord_channels;
ALTER TABLE discord_pieces RENAME TO discord_chunks;
ALTER TABLE discord_chunks RENAME COLUMN begun_at TO first_sent_at;
ALTER TABLE discord_questions RENAME COLUMN shown TO reactions;
ALTER TABLE discord_codes RENAME TO discord_pairing_codes;
ALTER TABLE discord_facts RENAME TO discord_state;
CREATE INDEX discord_chunks_snowflake ON discord_chunks (snowflake) WHERE snowflake IS NOT NULL;
CREATE TRIGGER messages_delete_discord_chunks AFTER DELETE ON messages
BEGIN
  DELETE FROM discord_chunks WHERE message = OLD.id;
END;

ALTER TABLE conversations RENAME COLUMN begun TO history_from;
ALTER TABLE relays RENAME COLUMN told TO last_progress;
ALTER TABLE relays RENAME COLUMN begun_at TO waiting_since;

DROP TRIGGER IF EXISTS messages_delete_decisions_asked;
DROP INDEX IF EXISTS decision_places_of;
ALTER TABLE decisions RENAME COLUMN fallback TO default_answer;
ALTER TABLE decisions RENAME COLUMN denies TO default_denies;
ALTER TABLE decisions RENAME COLUMN everywhere TO is_public;
ALTER TABLE decisions RENAME COLUMN person TO decided_by_id;
ALTER TABLE decision_places RENAME TO decision_messages;
CREATE INDEX decision_messages_question ON decision_messages (question);
CREATE TRIGGER messages_delete_decisions AFTER DELETE ON messages
BEGIN
  DELETE FROM decisions WHERE question = OLD.id;
  DELETE FROM decision_messages WHERE message = OLD.id OR question = OLD.id;
END;

DROP INDEX IF EXISTS incidents_key;
DROP INDEX IF EXISTS incidents_thing;
DROP INDEX IF EXISTS incidents_first;
DROP INDEX IF EXISTS incidents_told;
DROP INDEX IF EXISTS incidents_muted;
DROP INDEX IF EXISTS incidents_rate;
DROP INDEX IF EXISTS incident_conversations_open;
DROP INDEX IF EXISTS incident_conversations_named;
DROP INDEX IF EXISTS incident_messages_of;
ALTER TABLE incidents RENAME COLUMN key TO fingerprint;
ALTER TABLE incidents RENAME COLUMN thing TO subject;
ALTER TABLE incidents RENAME COLUMN first TO group_id;
ALTER TABLE incidents RENAME COLUMN muted_by TO inhibited_by;
ALTER TABLE incidents RENAME COLUMN seen_there TO seen_at_source;
ALTER TABLE incidents RENAME COLUMN begins TO opened_group;
CREATE INDEX incidents_fingerprint ON incidents (source, fingerprint, id);
CREATE INDEX incidents_subject ON incidents (source, subject) WHERE state <> 'resolved' AND subject <> '';
CREATE INDEX incidents_open_of_group ON incidents (group_id, severity) WHERE state <> 'resolved';
CREATE INDEX incidents_group ON incidents (group_id);
CREATE INDEX incidents_inhibited ON incidents (inhibited_by) WHERE inhibited_by IS NOT NULL;
CREATE INDEX incidents_rate ON incidents (source, first_seen) WHERE opened_group = 1;

ALTER TABLE incident_conversations RENAME TO incident_groups;
ALTER TABLE incident_groups RENAME COLUMN first TO group_id;
ALTER TABLE incident_groups RENAME COLUMN is_flood TO is_storm;
ALTER TABLE incident_groups RENAME COLUMN act_seconds TO ack_timeout_seconds;
ALTER TABLE incident_groups RENAME COLUMN told TO notified;
ALTER TABLE incident_groups RENAME COLUMN told_at TO notified_at;
ALTER TABLE incident_groups RENAME COLUMN news_due TO notify_at;
ALTER TABLE incident_groups RENAME COLUMN people_told TO people_notified;
ALTER TABLE incident_groups RENAME COLUMN acted_by TO responded_by;
ALTER TABLE incident_groups RENAME COLUMN acted_at TO responded_at;
ALTER TABLE incident_groups RENAME COLUMN news TO message_count;
UPDATE incident_groups SET name = 'storm' || substr(name, 6) WHERE is_storm AND name GLOB 'flood *';
CREATE INDEX incident_groups_open ON incident_groups (source, name) WHERE ended_at IS NULL;
CREATE INDEX incident_groups_named ON incident_groups (source, name, group_id) WHERE name <> '';
ALTER TABLE incident_messages RENAME COLUMN first TO group_id;
CREATE INDEX incident_messages_group ON incident_messages (group_id, recipient);

ALTER TABLE signs_of_life RENAME TO source_heartbeats;
ALTER TABLE source_heartbeats RENAME COLUMN key TO fingerprint;
ALTER TABLE refused_payloads RENAME TO rejected_payloads;

-- Only what parts of the team wrote, each under its own name: the metadata of others may use the same words for anything.
UPDATE messages SET metadata =
  json_set(json_remove(metadata, '$.from'), '$.author_name', json_extract(metadata, '$.from'))
WHERE (sender IN ('gateway', 'user_comm') OR (sender GLOB 'console-*' AND recipient = 'monitor-bridge'))
  AND CASE WHEN json_valid(metadata) THEN json_type(metadata, '$.from') END = 'text';
UPDATE messages SET metadata =
  json_set(json_remove(metadata, '$.words'), '$.body_length', json_extract(metadata, '$.words'))
WHERE sender IN ('gateway', 'user_comm')
  AND CASE WHEN json_valid(metadata) THEN json_type(metadata, '$.words') END = 'integer';
UPDATE messages SET metadata =
  json_set(json_remove(metadata, '$.about'), '$.question_ref', json_extract(metadata, '$.about'))
WHERE sender = 'user_comm' AND CASE WHEN json_valid(metadata) THEN json_type(metadata, '$.about') END = 'text';
UPDATE messages SET metadata =
  json_set(json_remove(metadata, '$.answers'), '$.replied_message', json_extract(metadata, '$.answers'))
WHERE sender = 'gateway' AND CASE WHEN json_valid(metadata) THEN json_type(metadata, '$.answers') END = 'text';
UPDATE messages SET metadata =
  json_set(json_remove(metadata, '$.settled'), '$.close_buttons', json_set(
    json_remove(json_extract(metadata, '$.settled'), '$.words'), '$.text', json_extract(metadata, '$.settled.words')))
WHERE sender = 'monitor-bridge' AND CASE WHEN json_valid(metadata) THEN json_type(metadata, '$.settled') END = 'object';
UPDATE messages SET message_type = 'close_buttons'
WHERE sender = 'user_comm' AND recipient = 'gateway' AND message_type = 'settled';
