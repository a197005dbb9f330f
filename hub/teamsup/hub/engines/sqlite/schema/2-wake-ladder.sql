-- Which steps of the wake ladder have been taken for an unread delivery (1 announced, 2 asked, 4 woken), and when its
-- sender was told that its agent does not read.
ALTER TABLE deliveries ADD COLUMN ladder INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN told_at TIMESTAMP;
