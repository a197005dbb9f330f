-- No open delivery of a recipient has a lower message. So the look for an open one of a conversation begins there too.
DELETE FROM delivery_floors;
ALTER TABLE delivery_floors ADD COLUMN message BIGINT;
DROP INDEX deliveries_open;
CREATE INDEX deliveries_open ON deliveries (recipient, message) WHERE done_at IS NULL;
CREATE INDEX deliveries_conversation ON deliveries (recipient, conversation_id, message)
  WHERE done_at IS NULL AND conversation_id IS NOT NULL;
