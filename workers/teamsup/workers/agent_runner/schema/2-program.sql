-- What a run's program says of itself.

ALTER TABLE runs ADD COLUMN program_version TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN has_login INTEGER NOT NULL DEFAULT 0; -- 1: it used a login, not an API key
