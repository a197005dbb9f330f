ALTER TABLE decision_messages RENAME COLUMN place TO recipient;
