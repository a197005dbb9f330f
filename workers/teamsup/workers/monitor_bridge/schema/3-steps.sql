-- Steps of an escalation have the names of what they do. A column with a CHECK is made anew.
ALTER TABLE incident_groups ADD COLUMN new_step TEXT NOT NULL DEFAULT 'new'
  CHECK (new_step IN ('new', 'notified', 'reminded', 'paged', 'command'));
UPDATE incident_groups SET new_step = CASE step
  WHEN 'told' THEN 'notified' WHEN 'rung' THEN 'reminded' WHEN 'people' THEN 'paged' ELSE step END;
ALTER TABLE incident_groups DROP COLUMN step;
ALTER TABLE incident_groups RENAME COLUMN new_step TO step;
