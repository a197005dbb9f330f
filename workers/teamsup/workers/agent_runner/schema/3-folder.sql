-- Which folder has a run's files. Another host of the team has another one.

ALTER TABLE runs ADD COLUMN folder_id TEXT NOT NULL DEFAULT ''; -- '': unknown, so it counts as ours
