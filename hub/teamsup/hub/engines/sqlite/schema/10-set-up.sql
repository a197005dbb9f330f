-- 0: an optional worker that says that nobody has configured it. Broadcasts are not for it.
ALTER TABLE agent_status ADD COLUMN is_set_up INTEGER NOT NULL DEFAULT 1;
