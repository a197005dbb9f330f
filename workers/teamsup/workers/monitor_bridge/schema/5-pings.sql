-- When people are pinged of what nobody could be pinged of before; NULL: never.
ALTER TABLE incident_groups ADD COLUMN ping_at TIMESTAMP;
