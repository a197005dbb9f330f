-- The highest step of the wake ladder that has been taken for an unread delivery; 0: none yet.
ALTER TABLE deliveries ADD COLUMN ladder INTEGER NOT NULL DEFAULT 0;
