-- Links that nobody has used yet. Only the digest of a secret is stored.
CREATE TABLE web_links (
  digest TEXT PRIMARY KEY,
  person TEXT NOT NULL,
  expires_at TEXT NOT NULL
);

-- Browsers that have used a link.
CREATE TABLE web_sessions (
  digest TEXT PRIMARY KEY,
  person TEXT NOT NULL,
  used_at TEXT NOT NULL
);
