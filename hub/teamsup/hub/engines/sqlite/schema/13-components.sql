-- The versions of the tables that components keep here. Those that the scripts before made have version 0: each
-- component takes them over itself.
CREATE TABLE schema_versions (
  component TEXT PRIMARY KEY,
  version INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO schema_versions VALUES ('gateway', 0), ('user_comm', 0), ('monitor-bridge', 0);

-- The hub makes one trigger for all tables of a component when it takes them over.
DROP TRIGGER IF EXISTS messages_delete_discord_chunks;
DROP TRIGGER IF EXISTS messages_delete_relays;
DROP TRIGGER IF EXISTS messages_delete_decisions;
DROP TRIGGER IF EXISTS messages_delete_incident_messages;
