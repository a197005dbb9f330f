-- The triggers do for every writer what those of SQLite do: sqlite/schema/triggers.sql. Here writers do not take turns. So
-- a lock for each conversation keeps its order, and a lock of the team separates foreign programs and long transactions
-- from single sends. Every migration creates them again. Functions that only these functions call keep their search_path.

-- Hold the lock of a conversation until the transaction ends.
CREATE OR REPLACE FUNCTION lock_conversation(conversation TEXT) RETURNS void LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended(current_schema() || ' ' || conversation, 0));
END $$;

-- Whether this connection is of a program that does not know the hub.
CREATE OR REPLACE FUNCTION is_foreign() RETURNS boolean LANGUAGE sql STABLE
AS $$ SELECT coalesce(current_setting('teamsup.member', true), '') <> 'on' $$;

-- Let the watchers of all hosts ring these agents; too many: everybody.
CREATE OR REPLACE FUNCTION ring_agents(agents TEXT) RETURNS void LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM pg_notify('teamsup ' || current_schema(),
    CASE WHEN octet_length(agents) < 7000 THEN E'\n' || agents ELSE '' END);
END $$;

CREATE OR REPLACE FUNCTION metadata_text(metadata TEXT, key TEXT) RETURNS TEXT LANGUAGE plpgsql IMMUTABLE
AS $$
DECLARE
  parsed JSONB;
BEGIN
  IF metadata IS NULL OR metadata = '{}' THEN
    RETURN NULL;
  END IF;
  parsed := metadata::JSONB;
  RETURN CASE WHEN jsonb_typeof(parsed) = 'object' THEN parsed ->> key END;
EXCEPTION WHEN data_exception THEN
  RETURN NULL;
END $$;

-- A foreign statement may touch several conversations in any order. So it works alone.
CREATE OR REPLACE FUNCTION messages_foreign() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('teamsup ' || current_schema(), 0));
  RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER messages_foreign BEFORE INSERT OR UPDATE OR DELETE ON messages FOR EACH STATEMENT
  WHEN (is_foreign()) EXECUTE FUNCTION messages_foreign();

-- The id is drawn while the conversation is locked, so in a conversation ids are the order of the commits.
CREATE OR REPLACE FUNCTION messages_number() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
  IF NEW.conversation_id IS NOT NULL THEN
    PERFORM lock_conversation(NEW.conversation_id);
  END IF;
  IF NEW.id IS NULL OR NEW.id > 1000000000000000 THEN
    NEW.id := nextval('messages_id');
  ELSE
    PERFORM setval('messages_id', NEW.id) FROM messages_id WHERE last_value <= NEW.id AND NEW.id > 0;
  END IF;
  NEW.created_at := coalesce(NEW.created_at, clock_timestamp());
  RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER messages_number BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION messages_number();

CREATE OR REPLACE VIEW broadcast_readers (name) AS
SELECT agent_name FROM agent_status
WHERE kind NOT IN ('console', 'supervisor') AND is_set_up = 1
  AND coalesce(last_heartbeat, enrolled_at) > clock_timestamp() - interval '7 days';

CREATE OR REPLACE FUNCTION rank_now(priority TEXT) RETURNS BIGINT LANGUAGE sql VOLATILE
AS $$
  SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)
    - CASE priority WHEN 'urgent' THEN 600000 WHEN 'high' THEN 60000 WHEN 'low' THEN -60000 ELSE 0 END
$$;

-- No open delivery of a recipient has a lower message.
CREATE OR REPLACE FUNCTION lowest_open(of_recipient TEXT) RETURNS BIGINT LANGUAGE sql STABLE
AS $$ SELECT coalesce(min(message), 0) FROM delivery_floors WHERE recipient = of_recipient $$;

-- Store the deliveries of a message that has none. Its conversation is locked. One statement for both kinds of messages
-- would be planned again for each message.
CREATE OR REPLACE FUNCTION store_deliveries(fresh messages) RETURNS void LANGUAGE plpgsql
AS $$
BEGIN
  IF fresh.recipient IS NULL THEN
    INSERT INTO deliveries (message, recipient, conversation_id, rank, is_head, expires_at)
    SELECT fresh.id, reader.name, fresh.conversation_id, rank_now(fresh.priority),
      CASE WHEN fresh.conversation_id IS NULL OR NOT EXISTS (SELECT 1 FROM deliveries AS older
        WHERE older.recipient = reader.name AND older.conversation_id = fresh.conversation_id AND older.done_at IS NULL
          AND older.message >= lowest_open(reader.name))
        THEN 1 ELSE 0 END,
      coalesce(fresh.expires_at, clock_timestamp() + interval '1 day')
    FROM (SELECT DISTINCT lower(btrim(name)) AS name FROM broadcast_readers) AS reader
    WHERE reader.name <> lower(btrim(fresh.sender))
    ON CONFLICT DO NOTHING;
  ELSE
    INSERT INTO deliveries (message, recipient, conversation_id, rank, is_head, expires_at)
    SELECT fresh.id, reader.name, fresh.conversation_id, rank_now(fresh.priority),
      CASE WHEN fresh.conversation_id IS NULL OR NOT EXISTS (SELECT 1 FROM deliveries AS older
        WHERE older.recipient = reader.name AND older.conversation_id = fresh.conversation_id AND older.done_at IS NULL
          AND older.message >= lowest_open(reader.name))
        THEN 1 ELSE 0 END,
      fresh.expires_at
    FROM (SELECT lower(btrim(fresh.recipient, E' \t\n\r')) AS name) AS reader
    ON CONFLICT DO NOTHING;
  END IF;
  IF is_foreign() THEN -- the server sends the same notification once for a transaction
    PERFORM ring_agents(recipient) FROM deliveries WHERE message = fresh.id;
  END IF;
END $$;

CREATE OR REPLACE FUNCTION messages_deliver() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
  PERFORM store_deliveries(NEW);
  IF NEW.recipient IS NULL THEN
    UPDATE messages SET status = 'processed', processed_at = clock_timestamp()
      WHERE id = NEW.id AND NOT EXISTS (SELECT 1 FROM deliveries WHERE message = NEW.id);
  END IF;
  RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER messages_deliver AFTER INSERT ON messages FOR EACH ROW
  WHEN (coalesce(NEW.status, 'pending') = 'pending') EXECUTE FUNCTION messages_deliver();

CREATE OR REPLACE FUNCTION messages_bound_id() RETURNS trigger LANGUAGE plpgsql
AS $$
BEGIN
  RAISE EXCEPTION 'messages.id can be 1000000000000000 at most';
END $$;
CREATE OR REPLACE TRIGGER messages_bound_id BEFORE UPDATE OF id ON messages FOR EACH ROW
  WHEN (NEW.id > 1000000000000000) EXECUTE FUNCTION messages_bound_id();

CREATE OR REPLACE FUNCTION messages_renamed() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
  UPDATE deliveries SET message = NEW.id WHERE message = OLD.id;
  PERFORM setval('messages_id', NEW.id) FROM messages_id WHERE last_value <= NEW.id AND NEW.id > 0;
  RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER messages_renamed AFTER UPDATE OF id ON messages FOR EACH ROW
  WHEN (NEW.id <> OLD.id) EXECUTE FUNCTION messages_renamed();

CREATE OR REPLACE FUNCTION messages_delete() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
  DELETE FROM deliveries WHERE message = OLD.id;
  RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER messages_delete AFTER DELETE ON messages FOR EACH ROW EXECUTE FUNCTION messages_delete();

-- The statuses that our own triggers set need no more changes.
-- A program that knows only the original tables ends, takes, gives back, reopens or hands on a message by its status.
CREATE OR REPLACE FUNCTION messages_changed() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
  was_changed BOOLEAN := NEW.status IS DISTINCT FROM OLD.status;
BEGIN
  IF (NEW.recipient IS DISTINCT FROM OLD.recipient AND NEW.status IN ('pending', 'processing'))
    OR (NEW.status = 'pending' AND was_changed
      AND NOT is_any_open(NEW.id)) THEN
    IF NEW.conversation_id IS NOT NULL THEN
      PERFORM lock_conversation(NEW.conversation_id);
    END IF;
    DELETE FROM deliveries WHERE message = NEW.id;
    PERFORM store_deliveries(NEW);
    UPDATE messages SET status = 'pending', processed_at = NULL WHERE id = NEW.id;
  ELSIF NEW.status = 'processed' AND was_changed THEN
    UPDATE deliveries SET state = 'done', outcome = 'processed', lease_token = NULL, lease_expires_at = NULL,
        done_at = clock_timestamp()
      WHERE message = NEW.id AND done_at IS NULL;
  ELSIF NEW.status = 'processing' AND was_changed THEN
    UPDATE deliveries SET state = 'leased', lease_token = NULL, read_at = clock_timestamp(),
        lease_expires_at = clock_timestamp() + interval '5 minutes', wait_seconds = 300
      WHERE message = NEW.id AND state = 'ready';
  ELSIF NEW.status = 'pending' AND OLD.status = 'processing' THEN
    UPDATE deliveries SET state = 'ready', read_at = NULL, lease_expires_at = NULL
      WHERE message = NEW.id AND state = 'leased' AND lease_token IS NULL;
    IF FOUND AND is_foreign() THEN
      PERFORM ring_agents(string_agg(DISTINCT recipient, E'\n')) FROM deliveries WHERE message = NEW.id;
    END IF;
    UPDATE messages SET status = 'processing'
      WHERE id = NEW.id AND EXISTS (SELECT 1 FROM deliveries WHERE message = NEW.id AND state = 'leased');
  END IF;
  RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER messages_changed AFTER UPDATE OF status, recipient ON messages FOR EACH ROW
  WHEN ((pg_trigger_depth() = 0 OR is_foreign()) AND NEW.recipient IS NOT NULL
    AND (NEW.status IS DISTINCT FROM OLD.status OR NEW.recipient IS DISTINCT FROM OLD.recipient))
  EXECUTE FUNCTION messages_changed();

CREATE OR REPLACE FUNCTION deliveries_leased() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
  UPDATE messages SET status = 'processing' WHERE id = NEW.message AND status = 'pending' AND recipient IS NOT NULL;
  RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER deliveries_leased AFTER UPDATE OF state ON deliveries FOR EACH ROW
  WHEN (NEW.state = 'leased' AND OLD.state <> 'leased') EXECUTE FUNCTION deliveries_leased();

CREATE OR REPLACE FUNCTION deliveries_returned() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
  UPDATE messages SET status = 'pending', processed_at = NULL WHERE id = NEW.message AND status <> 'pending';
  RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER deliveries_returned AFTER UPDATE OF state ON deliveries FOR EACH ROW
  WHEN (NEW.state = 'ready' AND OLD.state <> 'ready') EXECUTE FUNCTION deliveries_returned();

-- Whether a delivery of a message is open. The index of open deliveries looks small to the server, which would read all
-- of it, with the entries of ended ones. So this condition is one that the index does not know.
CREATE OR REPLACE FUNCTION is_any_open(of_message BIGINT) RETURNS boolean LANGUAGE plpgsql STABLE
AS $$
BEGIN
  RETURN EXISTS (SELECT 1 FROM deliveries WHERE message = of_message AND coalesce(done_at, '-infinity') = '-infinity');
END $$;

-- Two readers may end the last two deliveries of a broadcast at once. So lock the message before looking at the others.
CREATE OR REPLACE FUNCTION deliveries_ended() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
  PERFORM 1 FROM messages WHERE id = NEW.message FOR NO KEY UPDATE;
  UPDATE messages SET processed_at = coalesce(processed_at, NEW.done_at),
      status = CASE WHEN EXISTS (SELECT 1 FROM deliveries WHERE message = NEW.message AND state = 'done')
        THEN 'processed' ELSE NEW.state END
    WHERE id = NEW.message AND NOT is_any_open(NEW.message);
  RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER deliveries_ended AFTER UPDATE OF done_at ON deliveries FOR EACH ROW
  WHEN (NEW.done_at IS NOT NULL AND OLD.done_at IS NULL) EXECUTE FUNCTION deliveries_ended();

-- Let the next delivery of a conversation be claimed.
CREATE OR REPLACE FUNCTION deliveries_next_head() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
  low BIGINT;
BEGIN
  PERFORM lock_conversation(OLD.conversation_id);
  low := lowest_open(OLD.recipient);
  UPDATE deliveries SET is_head = 1
    WHERE recipient = OLD.recipient AND message =
      (SELECT message FROM deliveries WHERE recipient = OLD.recipient AND conversation_id = OLD.conversation_id
        AND done_at IS NULL AND message >= low ORDER BY message LIMIT 1)
    AND NOT EXISTS (SELECT 1 FROM deliveries WHERE recipient = OLD.recipient AND conversation_id = OLD.conversation_id
      AND done_at IS NULL AND message >= low AND is_head = 1);
  IF FOUND AND is_foreign() THEN
    PERFORM ring_agents(OLD.recipient);
  END IF;
  RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER deliveries_ended_in_conversation AFTER UPDATE OF done_at ON deliveries FOR EACH ROW
  WHEN (NEW.done_at IS NOT NULL AND OLD.done_at IS NULL AND OLD.conversation_id IS NOT NULL)
  EXECUTE FUNCTION deliveries_next_head();
CREATE OR REPLACE TRIGGER deliveries_deleted AFTER DELETE ON deliveries FOR EACH ROW
  WHEN (OLD.done_at IS NULL AND OLD.conversation_id IS NOT NULL) EXECUTE FUNCTION deliveries_next_head();

-- Whoever opens a delivery below a floor lowers it, in the same transaction. A row more is never in the way of others.
CREATE OR REPLACE FUNCTION deliveries_lower_floors() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
  low RECORD;
BEGIN
  SELECT min(message) AS message, min(rank) AS rank, min(available_at) AS available_at, min(lease_expires_at) AS lease_expires_at,
      min(expires_at) AS expires_at
    INTO low FROM delivery_floors WHERE recipient = NEW.recipient;
  IF NEW.message < low.message OR NEW.rank < low.rank OR NEW.available_at < low.available_at
    OR NEW.lease_expires_at < low.lease_expires_at OR NEW.expires_at < low.expires_at THEN
    INSERT INTO delivery_floors (recipient, message, rank, available_at, lease_expires_at, expires_at)
    VALUES (NEW.recipient, NEW.message, NEW.rank, NEW.available_at, NEW.lease_expires_at, NEW.expires_at);
  END IF;
  RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER deliveries_lower_floors AFTER INSERT OR UPDATE ON deliveries FOR EACH ROW
  WHEN (NEW.done_at IS NULL) EXECUTE FUNCTION deliveries_lower_floors();

-- Raise the floors if dead entries are in the way. Every writer shares the lock of the team, so none is between its
-- change and its commit. When the team is too busy, the next call does it. The search for the new floors begins at the
-- old ones.
CREATE OR REPLACE FUNCTION raise_floors(least_dead BIGINT) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
  IF coalesce((SELECT n_dead_tup FROM pg_stat_user_tables WHERE relid = CAST('deliveries' AS regclass)), 0)
    < least_dead THEN
    RETURN;
  END IF;
  PERFORM set_config('lock_timeout', '1s', true);
  PERFORM pg_advisory_xact_lock(hashtextextended('teamsup ' || current_schema(), 0));
  WITH removed AS (DELETE FROM delivery_floors RETURNING *),
    old AS (SELECT recipient, min(message) AS message, min(rank) AS rank, min(available_at) AS available_at,
        min(lease_expires_at) AS lease_expires_at, min(expires_at) AS expires_at
      FROM removed GROUP BY recipient),
    agents AS (SELECT DISTINCT lower(btrim(agent_name, E' \t\n\r')) AS name FROM agent_status)
  INSERT INTO delivery_floors (recipient, message, rank, available_at, lease_expires_at, expires_at)
  SELECT name,
    coalesce((SELECT min(d.message) FROM deliveries AS d
      WHERE d.recipient = name AND d.done_at IS NULL AND d.message >= coalesce(old.message, 0)), 9223372036854775807),
    coalesce((SELECT min(d.rank) FROM deliveries AS d
      WHERE d.recipient = name AND d.state = 'ready' AND d.is_head = 1 AND d.available_at IS NULL
        AND d.rank >= coalesce(old.rank, -9223372036854775808)), 9223372036854775807),
    coalesce((SELECT min(d.available_at) FROM deliveries AS d
      WHERE d.recipient = name AND d.state = 'ready' AND d.available_at IS NOT NULL
        AND d.available_at >= coalesce(old.available_at, '-infinity')), 'infinity'),
    coalesce((SELECT min(d.lease_expires_at) FROM deliveries AS d
      WHERE d.recipient = name AND d.state = 'leased'
        AND d.lease_expires_at >= coalesce(old.lease_expires_at, '-infinity')), 'infinity'),
    coalesce((SELECT min(d.expires_at) FROM deliveries AS d
      WHERE d.recipient = name AND d.state = 'ready' AND d.expires_at IS NOT NULL
        AND d.expires_at >= coalesce(old.expires_at, '-infinity')), 'infinity')
  FROM agents LEFT JOIN old ON old.recipient = agents.name;
EXCEPTION WHEN lock_not_available THEN
  RETURN;
END $$;
