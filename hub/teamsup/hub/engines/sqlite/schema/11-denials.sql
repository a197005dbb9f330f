-- 1: whoever asked has said that the default lets nothing happen.
ALTER TABLE decisions ADD COLUMN denies INTEGER NOT NULL DEFAULT 0;
