-- These triggers keep the original tables and deliveries consistent for every writer. Every sqlite3 since 3.35 knows
-- their SQL. Every migration creates them again. Conditions are in WHEN and not in the statements behind it: a statement
-- that finds no row still opens its cursors, and one that may change many rows opens a temporary table for them.

-- An INSERT here makes a ready delivery, unless it exists already. OR IGNORE would not work: the OR of the statement that
-- has fired the trigger replaces it.
CREATE VIEW new_deliveries (message, recipient, conversation_id, priority, expires_at) AS SELECT 0, '', '', '', '';

CREATE TRIGGER new_deliveries_store INSTEAD OF INSERT ON new_deliveries
WHEN NOT EXISTS (SELECT 1 FROM deliveries
  WHERE message = NEW.message AND recipient = lower(trim(NEW.recipient, ' ' || char(9, 10, 13))))
BEGIN
  INSERT INTO deliveries (message, recipient, conversation_id, rank, is_head, expires_at)
  VALUES (
    NEW.message,
    lower(trim(NEW.recipient, ' ' || char(9, 10, 13))),
    NEW.conversation_id,
    CAST((julianday('now') - 2440587.5) * 86400000.0 + 0.5 AS INTEGER)
      - CASE NEW.priority WHEN 'urgent' THEN 600000 WHEN 'high' THEN 60000 WHEN 'low' THEN -60000 ELSE 0 END,
    NEW.conversation_id IS NULL OR NOT EXISTS (SELECT 1 FROM deliveries AS older
      WHERE older.recipient = lower(trim(NEW.recipient, ' ' || char(9, 10, 13)))
        AND older.conversation_id = NEW.conversation_id AND older.done_at IS NULL),
    CASE typeof(NEW.expires_at) WHEN 'text' THEN strftime('%Y-%m-%d %H:%M:%f', NEW.expires_at)
      ELSE strftime('%Y-%m-%d %H:%M:%f', NEW.expires_at, 'unixepoch') END);
END;

CREATE TRIGGER messages_deliver AFTER INSERT ON messages
WHEN NEW.recipient IS NOT NULL AND coalesce(NEW.status, 'pending') = 'pending'
BEGIN
  INSERT INTO new_deliveries VALUES (NEW.id, NEW.recipient, NEW.conversation_id, NEW.priority, NEW.expires_at);
END;

-- Agents that are or were present: within seven days, or enrolled in these days and never present. Unconfigured agents are
-- left out.
CREATE VIEW broadcast_readers (name) AS
SELECT agent_name FROM agent_status
WHERE agent_name IS NOT NULL AND kind NOT IN ('console', 'supervisor') AND is_set_up
  AND coalesce(
    CASE typeof(last_heartbeat) WHEN 'text' THEN julianday(last_heartbeat)
      ELSE julianday(last_heartbeat, 'unixepoch') END,
    julianday(enrolled_at)) > julianday('now', '-7 days');

CREATE TRIGGER agent_status_enrolled AFTER INSERT ON agent_status
WHEN NEW.enrolled_at IS NULL
BEGIN
  UPDATE agent_status SET enrolled_at = strftime('%Y-%m-%d %H:%M:%f', 'now') WHERE rowid = NEW.rowid;
END;

-- Without a recipient it ends at once. A broadcast expires after a day.
CREATE TRIGGER messages_broadcast AFTER INSERT ON messages
WHEN NEW.recipient IS NULL AND coalesce(NEW.status, 'pending') = 'pending'
BEGIN
  INSERT INTO new_deliveries
  SELECT NEW.id, name, NEW.conversation_id, NEW.priority,
    coalesce(NEW.expires_at, strftime('%Y-%m-%d %H:%M:%f', 'now', '+1 day'))
  FROM broadcast_readers WHERE lower(trim(name)) <> lower(trim(NEW.sender));
  UPDATE messages SET status = 'processed', processed_at = strftime('%Y-%m-%d %H:%M:%f', 'now')
    WHERE id = NEW.id AND NOT EXISTS (SELECT 1 FROM deliveries WHERE message = NEW.id);
END;

-- An id far ahead would end sending, because AUTOINCREMENT continues after the largest. Such a row gets the next id.
CREATE TRIGGER messages_bound_id BEFORE INSERT ON messages
WHEN NEW.id > 1000000000000000
BEGIN
  INSERT INTO messages (message_id, sender, recipient, message_type, content, priority, metadata, status, created_at,
    processed_at, expires_at, conversation_id, reply_to, hops)
  VALUES (NEW.message_id, NEW.sender, NEW.recipient, NEW.message_type, NEW.content, NEW.priority, NEW.metadata,
    NEW.status, NEW.created_at, NEW.processed_at, NEW.expires_at, NEW.conversation_id, NEW.reply_to, NEW.hops);
  SELECT RAISE(IGNORE);
END;

CREATE TRIGGER messages_bound_id_of_update BEFORE UPDATE OF id ON messages
WHEN NEW.id > 1000000000000000
BEGIN
  SELECT RAISE(ABORT, 'messages.id can be 1000000000000000 at most');
END;

-- INSERT OR REPLACE fires no DELETE trigger, and only a BEFORE trigger still sees the removed row. In it, -1 means no id.
CREATE TRIGGER messages_note_replaced BEFORE INSERT ON messages
WHEN EXISTS (SELECT 1 FROM messages WHERE message_id = NEW.message_id)
  OR NEW.id <> -1 AND EXISTS (SELECT 1 FROM messages WHERE id = NEW.id)
BEGIN
  INSERT INTO replaced_messages SELECT id FROM messages WHERE message_id = NEW.message_id OR id = NEW.id;
END;

-- SQLite does not say which of two triggers runs first. So this one repeats the work of messages_deliver and
-- messages_broadcast, which may have seen deliveries of the removed row. After INSERT OR IGNORE of a known message there
-- is a row here although no message was replaced.
CREATE TRIGGER messages_replaced AFTER INSERT ON messages
WHEN NEW.id = -1 OR EXISTS (SELECT 1 FROM replaced_messages)
BEGIN
  DELETE FROM deliveries WHERE message = NEW.id
    OR message IN (SELECT id FROM replaced_messages WHERE id NOT IN (SELECT id FROM messages));
  DELETE FROM replaced_messages;
  INSERT INTO new_deliveries
  SELECT NEW.id, r.name, NEW.conversation_id, NEW.priority, r.expires_at FROM (
    SELECT NEW.recipient AS name, NEW.expires_at AS expires_at WHERE NEW.recipient IS NOT NULL
    UNION ALL
    SELECT name, coalesce(NEW.expires_at, strftime('%Y-%m-%d %H:%M:%f', 'now', '+1 day')) FROM broadcast_readers
      WHERE NEW.recipient IS NULL AND lower(trim(name)) <> lower(trim(NEW.sender))
  ) AS r
  WHERE coalesce(NEW.status, 'pending') = 'pending';
  UPDATE messages SET status = 'processed', processed_at = strftime('%Y-%m-%d %H:%M:%f', 'now')
    WHERE id = NEW.id AND NEW.recipient IS NULL AND coalesce(NEW.status, 'pending') = 'pending'
      AND NOT EXISTS (SELECT 1 FROM deliveries WHERE message = NEW.id);
END;

CREATE TRIGGER messages_note_replaced_by_update BEFORE UPDATE OF id, message_id ON messages
WHEN EXISTS (SELECT 1 FROM messages WHERE (message_id = NEW.message_id OR id = NEW.id) AND id <> OLD.id)
BEGIN
  INSERT INTO replaced_messages
    SELECT id FROM messages WHERE (message_id = NEW.message_id OR id = NEW.id) AND id <> OLD.id;
END;

CREATE TRIGGER messages_renamed AFTER UPDATE OF id, message_id ON messages
BEGIN
  DELETE FROM deliveries WHERE message IN
    (SELECT id FROM replaced_messages WHERE id <> OLD.id AND (id = NEW.id OR id NOT IN (SELECT id FROM messages)));
  DELETE FROM replaced_messages;
  UPDATE deliveries SET message = NEW.id WHERE message = OLD.id AND OLD.id <> NEW.id;
END;

-- Foreign programs write 'T', zones and Unix seconds; stored times must compare as text. A value that is not a time
-- becomes now (created_at) or never (expires_at).
CREATE TRIGGER messages_normalise_created AFTER INSERT ON messages
WHEN NOT (typeof(NEW.created_at) = 'text' AND length(NEW.created_at) IN (19, 23)
  AND substr(NEW.created_at, 1, 19) IS strftime('%Y-%m-%d %H:%M:%S', NEW.created_at))
BEGIN
  UPDATE messages SET created_at = coalesce(
      CASE typeof(created_at) WHEN 'text' THEN strftime('%Y-%m-%d %H:%M:%f', created_at)
        ELSE strftime('%Y-%m-%d %H:%M:%f', created_at, 'unixepoch') END,
      strftime('%Y-%m-%d %H:%M:%f', 'now'))
    WHERE id = NEW.id;
END;

CREATE TRIGGER messages_normalise_expires AFTER INSERT ON messages
WHEN NEW.expires_at IS NOT NULL AND NOT (typeof(NEW.expires_at) = 'text' AND length(NEW.expires_at) IN (19, 23)
  AND substr(NEW.expires_at, 1, 19) IS strftime('%Y-%m-%d %H:%M:%S', NEW.expires_at))
BEGIN
  UPDATE messages SET expires_at =
      CASE typeof(expires_at) WHEN 'text' THEN strftime('%Y-%m-%d %H:%M:%f', expires_at)
        ELSE strftime('%Y-%m-%d %H:%M:%f', expires_at, 'unixepoch') END
    WHERE id = NEW.id;
END;

CREATE TRIGGER messages_delete AFTER DELETE ON messages
BEGIN
  DELETE FROM deliveries WHERE message = OLD.id;
END;

-- A program that knows only the original tables acknowledges with status = 'processed'. On a broadcast it cannot speak
-- for one reader, so there it ends nothing.
CREATE TRIGGER messages_processed AFTER UPDATE OF status ON messages
WHEN NEW.status = 'processed' AND OLD.status IS NOT 'processed' AND NEW.recipient IS NOT NULL
  AND EXISTS (SELECT 1 FROM deliveries WHERE message = NEW.id AND done_at IS NULL)
BEGIN
  UPDATE deliveries SET state = 'done', outcome = 'processed', lease_token = NULL, lease_expires_at = NULL,
      done_at = strftime('%Y-%m-%d %H:%M:%f', 'now')
    WHERE message = NEW.id AND done_at IS NULL;
END;

-- Such a program may also take a message before it works on it, and has five minutes for that.
CREATE TRIGGER messages_taken AFTER UPDATE OF status ON messages
WHEN NEW.status = 'processing' AND OLD.status IS NOT 'processing' AND NEW.recipient IS NOT NULL
  AND EXISTS (SELECT 1 FROM deliveries WHERE message = NEW.id AND state = 'ready')
BEGIN
  UPDATE deliveries SET state = 'leased', lease_token = NULL, read_at = strftime('%Y-%m-%d %H:%M:%f', 'now'),
      lease_expires_at = strftime('%Y-%m-%d %H:%M:%f', 'now', '+5 minutes'), wait_seconds = 300
    WHERE message = NEW.id AND state = 'ready';
END;

-- It may release what it has taken (a lease without a token), but no delivery that one of our readers holds.
CREATE TRIGGER messages_given_back AFTER UPDATE OF status ON messages
WHEN NEW.status = 'pending' AND OLD.status = 'processing' AND NEW.recipient IS NOT NULL
BEGIN
  UPDATE deliveries SET state = 'ready', read_at = NULL, lease_expires_at = NULL
    WHERE message = NEW.id AND state = 'leased' AND lease_token IS NULL;
  UPDATE messages SET status = 'processing'
    WHERE id = NEW.id AND EXISTS (SELECT 1 FROM deliveries WHERE message = NEW.id AND state = 'leased');
END;

-- It may give a message to another recipient, or make an ended message pending again.
CREATE TRIGGER messages_reopened AFTER UPDATE OF status, recipient ON messages
WHEN NEW.recipient IS NOT NULL AND (
  (NEW.recipient IS NOT OLD.recipient AND NEW.status IN ('pending', 'processing'))
  OR (NEW.status = 'pending' AND OLD.status IS NOT 'pending'
    AND NOT EXISTS (SELECT 1 FROM deliveries WHERE message = NEW.id AND done_at IS NULL)))
BEGIN
  DELETE FROM deliveries WHERE message = NEW.id;
  INSERT INTO new_deliveries VALUES (NEW.id, NEW.recipient, NEW.conversation_id, NEW.priority, NEW.expires_at);
  UPDATE messages SET status = 'pending', processed_at = NULL WHERE id = NEW.id;
END;

-- A program that selects 'pending' must not take a message that one of our readers holds. A broadcast stays pending until
-- its last delivery ends, because the lease of one reader does not show the state of the others.
CREATE TRIGGER deliveries_leased AFTER UPDATE OF state ON deliveries
WHEN NEW.state = 'leased' AND OLD.state <> 'leased'
BEGIN
  UPDATE messages SET status = 'processing' WHERE id = NEW.message AND status = 'pending' AND recipient IS NOT NULL;
END;

CREATE TRIGGER deliveries_returned AFTER UPDATE OF state ON deliveries
WHEN NEW.state = 'ready' AND OLD.state <> 'ready'
BEGIN
  UPDATE messages SET status = 'pending', processed_at = NULL WHERE id = NEW.message AND status <> 'pending';
END;

CREATE TRIGGER deliveries_ended AFTER UPDATE OF done_at ON deliveries
WHEN NEW.done_at IS NOT NULL AND OLD.done_at IS NULL
BEGIN
  UPDATE messages SET processed_at = coalesce(processed_at, NEW.done_at),
      status = CASE WHEN EXISTS (SELECT 1 FROM deliveries WHERE message = NEW.message AND state = 'done')
        THEN 'processed' ELSE NEW.state END
    WHERE id = NEW.message AND NOT EXISTS (SELECT 1 FROM deliveries WHERE message = NEW.message AND done_at IS NULL);
END;

CREATE TRIGGER deliveries_ended_in_conversation AFTER UPDATE OF done_at ON deliveries
WHEN NEW.done_at IS NOT NULL AND OLD.done_at IS NULL AND NEW.conversation_id IS NOT NULL
BEGIN
  UPDATE deliveries SET is_head = 1
    WHERE recipient = NEW.recipient AND message =
      (SELECT message FROM deliveries WHERE recipient = NEW.recipient AND conversation_id = NEW.conversation_id
        AND done_at IS NULL ORDER BY message LIMIT 1)
    AND NOT EXISTS (SELECT 1 FROM deliveries WHERE recipient = NEW.recipient AND conversation_id = NEW.conversation_id
      AND done_at IS NULL AND is_head = 1);
END;

CREATE TRIGGER deliveries_deleted AFTER DELETE ON deliveries
WHEN OLD.done_at IS NULL AND OLD.conversation_id IS NOT NULL
BEGIN
  UPDATE deliveries SET is_head = 1
    WHERE recipient = OLD.recipient AND message =
      (SELECT message FROM deliveries WHERE recipient = OLD.recipient AND conversation_id = OLD.conversation_id
        AND done_at IS NULL ORDER BY message LIMIT 1)
    AND NOT EXISTS (SELECT 1 FROM deliveries WHERE recipient = OLD.recipient AND conversation_id = OLD.conversation_id
      AND done_at IS NULL AND is_head = 1);
END;
