-- What the gateway must know after its own end, however it ended. Snowflakes are Discord's ids, in the order of time.

-- Where people write to the team, and how far that has been taken in.
CREATE TABLE IF NOT EXISTS discord_channels (
  channel INTEGER PRIMARY KEY,
  last_seen INTEGER NOT NULL,
  person INTEGER -- whose direct messages these are; Discord does not list them
);

-- The chunks in which a message is sent, stored before the first is sent. Discord takes a nonce once, for some minutes.
CREATE TABLE IF NOT EXISTS discord_chunks (
  message INTEGER NOT NULL,
  number INTEGER NOT NULL,
  content TEXT NOT NULL,
  files TEXT NOT NULL DEFAULT '[]', -- paths of what goes with it; '' is the message itself, too long for chunks
  nonce TEXT NOT NULL,
  first_sent_at TIMESTAMP, -- when it was first sent with this nonce; NULL: not yet
  channel INTEGER, -- to where
  snowflake INTEGER, -- once Discord has it
  PRIMARY KEY (message, number)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS discord_chunks_snowflake ON discord_chunks (snowflake) WHERE snowflake IS NOT NULL;

-- Questions from Discord that are not answered yet, and the reaction that shows where each stands.
CREATE TABLE IF NOT EXISTS discord_questions (
  snowflake INTEGER PRIMARY KEY,
  channel INTEGER NOT NULL,
  reactions TEXT NOT NULL DEFAULT '' -- which of our reactions may be there, also after a crash
);

-- The messages with which they were passed on to agents.
CREATE TABLE IF NOT EXISTS discord_relays (
  snowflake INTEGER NOT NULL,
  message INTEGER NOT NULL,
  PRIMARY KEY (snowflake, message)
) WITHOUT ROWID;

-- People who have paired, and the one-time codes with which they may.
CREATE TABLE IF NOT EXISTS discord_people (
  person INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  paired_at TIMESTAMP NOT NULL
);
CREATE TABLE IF NOT EXISTS discord_pairing_codes (
  digest TEXT PRIMARY KEY,
  expires_at TIMESTAMP NOT NULL
);

-- Small facts, such as the logins of the last day and the commands as they were last registered with Discord.
CREATE TABLE IF NOT EXISTS discord_state (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
);
