-- What user_comm must know after its own end: who talks with whom, what is open, what people have to decide.

-- With which agents a conversation stays, until somebody begins anew or names others.
CREATE TABLE conversations (
  conversation TEXT PRIMARY KEY,
  agents TEXT NOT NULL, -- JSON
  begun INTEGER NOT NULL DEFAULT 0 -- the message with which it began anew
) WITHOUT ROWID;

-- Questions of people as they were passed on, until they are answered, withdrawn or given up.
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
CREATE INDEX relays_of_a_person ON relays (person);
CREATE INDEX relays_of_a_conversation ON relays (conversation);

CREATE TRIGGER messages_delete_relays AFTER DELETE ON messages
BEGIN
  DELETE FROM relays WHERE message = OLD.id OR question = OLD.id;
END;

-- What agents ask people to decide.
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
CREATE INDEX decisions_open ON decisions (question) WHERE state = 'open';

-- The messages that show a decision to people.
CREATE TABLE decision_places (
  message INTEGER PRIMARY KEY,
  question INTEGER NOT NULL,
  place TEXT NOT NULL -- the agent that shows it: a console, the gateway
);
CREATE INDEX decision_places_of ON decision_places (question);

CREATE TRIGGER messages_delete_decisions_asked AFTER DELETE ON messages
BEGIN
  DELETE FROM decisions WHERE question = OLD.id;
  DELETE FROM decision_places WHERE message = OLD.id OR question = OLD.id;
END;
