-- Which person that was, such as discord:30 or console-ann: their name alone may be another's too.
ALTER TABLE incidents ADD COLUMN acknowledged_by_id TEXT;
ALTER TABLE incident_groups ADD COLUMN responded_by_id TEXT;
