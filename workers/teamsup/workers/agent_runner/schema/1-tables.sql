-- The runs of agents that agent-runner starts, and its pauses.

-- One cause for which an agent is started. The row is on disk before any process. Times are Unix seconds.
CREATE TABLE runs (
  id INTEGER PRIMARY KEY AUTOINCREMENT, -- a folder has this name, so no number comes again
  agent TEXT NOT NULL,
  cause_kind TEXT NOT NULL CHECK (cause_kind IN ('message', 'schedule', 'person')),
  cause TEXT NOT NULL, -- the message_id; for a schedule its tick
  message_number INTEGER, -- messages.id of the words of the cause
  conversation TEXT NOT NULL DEFAULT '',
  session_id TEXT NOT NULL,
  directory TEXT NOT NULL DEFAULT '', -- where it works; a session goes on there alone
  is_resumed INTEGER NOT NULL DEFAULT 0, -- 1: in the session of an earlier run
  state TEXT NOT NULL DEFAULT 'planned'
    CHECK (state IN ('planned', 'running', 'parked', 'done', 'failed', 'unknown', 'stopped')),
  reason TEXT NOT NULL DEFAULT '',
  mark TEXT NOT NULL DEFAULT '', -- the value of TEAMSUP_RUN of its processes
  pid INTEGER NOT NULL DEFAULT 0,
  process_identity TEXT NOT NULL DEFAULT '', -- which process of that pid
  lease_token TEXT NOT NULL DEFAULT '', -- of our claim of the message
  starts INTEGER NOT NULL DEFAULT 0, -- how many processes it had
  program TEXT NOT NULL DEFAULT '',
  model TEXT NOT NULL DEFAULT '',
  created_at REAL NOT NULL,
  started_at REAL, -- its latest process
  ended_at REAL,
  turns INTEGER NOT NULL DEFAULT 0,
  tokens_in INTEGER NOT NULL DEFAULT 0,
  tokens_out INTEGER NOT NULL DEFAULT 0,
  usd REAL, -- its own cost; NULL: unknown
  session_usd_before REAL NOT NULL DEFAULT 0,
  tools TEXT NOT NULL DEFAULT '[]', -- JSON
  answer TEXT NOT NULL DEFAULT '',
  decision TEXT NOT NULL DEFAULT '', -- the message_id with which people were asked
  transcript TEXT NOT NULL DEFAULT '',
  next_try_at REAL,
  is_decided INTEGER NOT NULL DEFAULT 0, -- 1: it goes on with what people have decided
  tries INTEGER NOT NULL DEFAULT 0, -- processes since it last got further
  stop TEXT NOT NULL DEFAULT '', -- why its process is being ended
  UNIQUE (agent, cause_kind, cause)
);
CREATE INDEX runs_open ON runs (state) WHERE state IN ('planned', 'running', 'parked', 'unknown');
CREATE INDEX runs_conversation ON runs (agent, conversation, id);
CREATE INDEX runs_ended ON runs (ended_at) WHERE ended_at IS NOT NULL;

-- Each start of a process, for the limits of an hour. Rows of runs count their processes, not when each began.
CREATE TABLE run_starts (
  run INTEGER NOT NULL,
  agent TEXT NOT NULL,
  at REAL NOT NULL
);
CREATE INDEX run_starts_at ON run_starts (at);

-- Why no run of an agent, or on a login, starts until then.
CREATE TABLE agent_pauses (
  kind TEXT NOT NULL CHECK (kind IN ('agent', 'login')),
  name TEXT NOT NULL, -- the agent; the login, '' is that of the user
  reason TEXT NOT NULL,
  since REAL NOT NULL,
  until REAL, -- NULL: until a person ends it
  is_incident INTEGER NOT NULL DEFAULT 0, -- 1: only a person can help
  PRIMARY KEY (kind, name)
);

-- The ticks of schedules that are done.
CREATE TABLE agent_ticks (
  agent TEXT PRIMARY KEY,
  schedule TEXT NOT NULL, -- a changed one begins anew
  at REAL NOT NULL -- all ticks up to this one are done
);
