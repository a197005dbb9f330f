-- How much models have sent: once full_until is too far ahead, a sender has to wait.
CREATE TABLE send_rates (
  sender TEXT PRIMARY KEY,
  full_until REAL NOT NULL -- Unix seconds; each message puts it ahead by its share of a minute
) WITHOUT ROWID;

-- How often two agents have taken turns in writing to each other.
CREATE TABLE exchanges (
  pair TEXT PRIMARY KEY,
  speaker TEXT NOT NULL, -- who wrote last
  turns INTEGER NOT NULL,
  last_at REAL NOT NULL, -- Unix seconds
  since INTEGER NOT NULL -- the newest message before the first of them
) WITHOUT ROWID;
