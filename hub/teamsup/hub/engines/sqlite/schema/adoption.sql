-- Adoption of what an older program left behind: what is open is inserted again under its own id, so that the triggers
-- do for it what they do for every message. What stands at 'processing' may still be in that program's hands: it
-- is given five minutes to finish.
INSERT OR REPLACE INTO messages
  (id, message_id, sender, recipient, message_type, content, priority, metadata, created_at, processed_at, expires_at)
SELECT
  id, message_id, sender, recipient, message_type, content, priority, metadata, created_at, processed_at, expires_at
FROM messages WHERE status = 'processing' ORDER BY id;
UPDATE deliveries SET state = 'leased', lease_expires_at = strftime('%Y-%m-%d %H:%M:%f', 'now', '+5 minutes');

INSERT OR REPLACE INTO messages
  (id, message_id, sender, recipient, message_type, content, priority, metadata, created_at, processed_at, expires_at)
SELECT
  id, message_id, sender, recipient, message_type, content, priority, metadata, created_at, processed_at, expires_at
FROM messages WHERE coalesce(status, 'pending') = 'pending' ORDER BY id;
