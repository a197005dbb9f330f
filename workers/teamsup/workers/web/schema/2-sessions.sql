-- What a person needs to know a browser again in the list. Sessions from before have neither.
ALTER TABLE web_sessions ADD COLUMN created_at TEXT;
ALTER TABLE web_sessions ADD COLUMN browser TEXT;
