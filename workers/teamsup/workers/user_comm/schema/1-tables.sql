-- What user_comm must know after its own end: who talks with whom, what is open, what people have to decide.

-- To which agents a conversation is assigned, until a person starts it again or names others.
CREATE TABLE IF NOT EXISTS conversations (
  conversation TEXT PRIMARY KEY,
  agents TEXT NOT NULL, -- JSON
  history_from INTEGER NOT NULL DEFAULT 0 -- the message with which it was started again
) WITHOUT ROWID;

-- Questions of people as they were passed on, until they are answered, withdrawn or given up.
CREATE TABLE IF NOT EXISTS relays (
  message INTEGER PRIMARY KEY, -- as the agent has it
  question INTEGER NOT NULL, -- as the person wrote it
  conversation TEXT,
  person TEXT NOT NULL,
  agent TEXT NOT NULL,
  waiting_since TIMESTAMP NOT NULL,
  last_progress TEXT NOT NULL DEFAULT '', -- the progress that the person was told last
  reminded_at TIMESTAMP -- when the agent was reminded
);
CREATE INDEX IF NOT EXISTS relays_of_a_person ON relays (person);
CREATE INDEX IF NOT EXISTS relays_of_a_conversation ON relays (conversation);

-- What agents ask people to decide.
CREATE TABLE IF NOT EXISTS decisions (
  question INTEGER PRIMARY KEY, -- the message that asks
  asked_by TEXT NOT NULL,
  options TEXT NOT NULL DEFAULT '[]', -- JSON; none: an answer in words
  deciders TEXT NOT NULL DEFAULT '[]', -- JSON, who may decide; none: everybody whom the team hears
  default_answer TEXT, -- what counts when nobody has decided by the deadline
  deadline TIMESTAMP,
  is_public INTEGER NOT NULL DEFAULT 0, -- whether it is shown to all people, also to who comes later
  state TEXT NOT NULL DEFAULT 'open', -- decided, defaulted, expired, undeliverable, withdrawn
  answer TEXT,
  decided_by_id TEXT, -- who decided
  decided_by TEXT, -- what they are called
  decided_at TIMESTAMP,
  reminded_at TIMESTAMP,
  default_denies INTEGER NOT NULL DEFAULT 0 -- 1: whoever asked has said that the default lets nothing happen
);
CREATE INDEX IF NOT EXISTS decisions_open ON decisions (question) WHERE state = 'open';

-- The messages that show a decision to people.
CREATE TABLE IF NOT EXISTS decision_messages (
  message INTEGER PRIMARY KEY,
  question INTEGER NOT NULL,
  place TEXT NOT NULL -- the agent that shows it: a console, the gateway
);
CREATE INDEX IF NOT EXISTS decision_messages_question ON decision_messages (question);
