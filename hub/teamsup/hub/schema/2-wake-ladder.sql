-- The highest step of the wake ladder that has been taken for an unread delivery, 0: none yet; and when its sender was
-- told that its agent does not read.
ALTER TABLE deliveries ADD COLUMN ladder INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN told_at TIMESTAMP;
