-- What the gateway must know after its own end, however it ended.

-- Where people write to the team, and how far that has been taken in. Snowflakes are Discord's ids, in the order of time.
CREATE TABLE discord_places (
  channel INTEGER PRIMARY KEY,
  last_seen INTEGER NOT NULL,
  person INTEGER -- whose direct messages these are; Discord does not list them
);

-- The pieces in which a message is said, written down before the first is sent. Discord takes a nonce once, for some minutes.
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
CREATE INDEX discord_pieces_there ON discord_pieces (snowflake) WHERE snowflake IS NOT NULL;

CREATE TRIGGER messages_delete_pieces AFTER DELETE ON messages
BEGIN
  DELETE FROM discord_pieces WHERE message = OLD.id;
END;

-- Questions from Discord that are not answered yet, and the reaction that shows where each stands.
CREATE TABLE discord_questions (
  snowflake INTEGER PRIMARY KEY,
  channel INTEGER NOT NULL,
  shown TEXT NOT NULL DEFAULT '' -- which of our reactions may be there, also after a crash
);

-- The messages with which they were passed on to agents.
CREATE TABLE discord_relays (
  snowflake INTEGER NOT NULL,
  message INTEGER NOT NULL,
  PRIMARY KEY (snowflake, message)
) WITHOUT ROWID;

-- People who have paired, and the one-time codes with which they may.
CREATE TABLE discord_people (
  person INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  paired_at TIMESTAMP NOT NULL
);
CREATE TABLE discord_codes (
  digest TEXT PRIMARY KEY,
  expires_at TIMESTAMP NOT NULL
);

-- Small facts, such as the logins of the last day and the commands as they were last told to Discord.
CREATE TABLE discord_facts (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
);
